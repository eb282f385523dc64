package merge

import (
	"strings"
	"testing"
	"time"
	"unsafe"
)

// stepped is the same moment on a clock whose wall time was set: the monotonic part stays. Nothing in package time
// makes such a value, but every time.Now after a clock step is one.
func stepped(t *testing.T, now time.Time, by time.Duration) time.Time {
	t.Helper()
	out := now
	*(*uint64)(unsafe.Pointer(&out)) += uint64(int64(by/time.Second)) << 30 // seconds, above 30 bits of nanoseconds
	if d := out.Sub(now); d != 0 || out.Round(0).Sub(now.Round(0)) != by {
		t.Fatalf("stepped by %v, monotonic %v", out.Round(0).Sub(now.Round(0)), d)
	}
	return out
}

// clockTest has one present worker, one kept departed, and what folded ones left for an hour.
func clockTest(now time.Time) *Fold {
	f := New(lawOptions())
	a, kept, folded := add(f, "a"), add(f, "kept"), add(f, "folded")
	page(f, a, now, x1(1))
	page(f, kept, now, x1(2), sample{id: counter("y_total"), v: 1})
	page(f, folded, now, x1(4), sample{id: gaugeID("g_max"), v: 9}, sample{id: gaugeID("g_all"), v: 9})
	f.Depart(kept, now, false)
	f.Depart(folded, now, true)
	return f
}

const allThere = "g_all worker_id=folded 9\ng_max 9\nx_total 7\ny_total 1\n"

func wantKept(t *testing.T, f *Fold, now time.Time, kept int, want string) {
	t.Helper()
	f.FoldExpired(now)
	if got := f.Kept(); got != kept {
		t.Errorf("%d are kept, want %d", got, kept)
	}
	f.Compact(now)
	wantShow(t, f, now, want)
}

// A clock that is set folds nothing and forgets nothing, nor does it keep anything longer.
func TestClockSteps(t *testing.T) {
	base := time.Now()
	for _, by := range []time.Duration{1000 * time.Hour, -1000 * time.Hour} {
		f := clockTest(base)
		f.fewFreed = 1
		wantKept(t, f, base, 1, allThere)
		at := func(d time.Duration) time.Time { return stepped(t, base.Add(d), by) }
		wantKept(t, f, at(4*time.Minute), 1, allThere)
		wantKept(t, f, at(59*time.Minute), 1, strings.TrimPrefix(allThere, "g_all worker_id=folded 9\n"))
		wantKept(t, f, at(70*time.Minute), 0, "x_total 7\ny_total 1")
		wantKept(t, f, at(23*time.Hour), 0, "x_total 7\ny_total 1")
		wantKept(t, f, at(25*time.Hour), 0, "x_total 7")
	}
}

// A restart stops the clocks: downtime does not count, and what was before it does. What the wall clock says does
// not matter.
func TestClocksOverRestarts(t *testing.T) {
	now := time.Now()
	f, d := clockTest(now), &disk{}
	want := allThere
	run := func(elapsed time.Duration, kept int, want string) {
		t.Helper()
		now = now.Add(elapsed)
		wantKept(t, f, now, kept, want)
		d.save(f, now, false)
		d.page(f)
		for _, wall := range []time.Duration{3000 * time.Hour, -4000 * time.Hour} {
			now = now.Round(0).Add(wall) // another process, another clock
			f = restored(t, lawOptions(), d, now)
			f.fewFreed = 1
			wantKept(t, f, now, kept, want)
		}
	}
	run(4*time.Minute, 1, want)
	want = strings.TrimPrefix(want, "g_all worker_id=folded 9\n")
	run(2*time.Minute, 1, want)
	run(50*time.Minute, 1, want)
	run(14*time.Minute, 0, "x_total 7\ny_total 1")
	for range 4 {
		run(5*time.Hour, 0, "x_total 7\ny_total 1")
	}
	run(5*time.Hour, 0, "x_total 7")
}
