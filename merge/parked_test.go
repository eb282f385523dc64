package merge

import (
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/fedscrape/fedscrape/exposition"
)

// reloads is a fold with a worker whose pages are read under rules that change.
type reloads struct {
	*testing.T
	f   *Fold
	inc *Incarnation
}

func newReloads(t *testing.T) reloads {
	f := New(NewOptions())
	return reloads{t, f, add(f, "a")}
}

// reads commits the page that the rules leave, first those of another reload where that is said.
func (r reloads) reads(reload bool, want string, samples ...sample) {
	r.Helper()
	if reload {
		r.f.Relabeled()
	}
	page(r.f, r.inc, t0, append(samples, sample{id: counter("z_total"), v: 1})...)
	wantShow(r.T, r.f, t0, want+"\nz_total 1")
	if len(r.inc.parked) > len(r.inc.offset.slots) {
		r.Errorf("%d parked lines, %d offsets", len(r.inc.parked), len(r.inc.offset.slots))
	}
}

func (r reloads) wantNothingLeft() {
	r.Helper()
	if len(r.inc.parked) > 0 {
		r.Errorf("parked: %v", r.inc.parked)
	}
	for i, slot := range r.inc.offset.slots {
		if !r.inc.offset.at(i).isZero() {
			r.Errorf("offset of %s: %v", r.f.lines[slot].name(), r.inc.offset.at(i))
		}
	}
}

func xTotal(v float64) sample { return sample{id: counter("x_total"), v: v} }

const reload, same = true, false

func TestDroppedAndTakenBack(t *testing.T) {
	for _, v := range []float64{23.1, 0} {
		r, want := newReloads(t), fmt.Sprint("x_total ", v)
		r.reads(same, want, xTotal(v))
		for range 2 {
			r.reads(reload, want)
			r.reads(same, want)
			r.reads(reload, want, xTotal(v))
			r.reads(same, want, xTotal(v))
		}
		r.wantNothingLeft()
	}
}

func TestCountsWhileDropped(t *testing.T) {
	r := newReloads(t)
	r.reads(same, "x_total 23", xTotal(23))
	r.reads(reload, "x_total 23")
	r.reads(reload, "x_total 23") // other rules that drop it too
	r.reads(reload, "x_total 30", xTotal(30))
	r.reads(same, "x_total 31", xTotal(31))
	r.wantNothingLeft()
}

func TestBeginsAnewWhileDropped(t *testing.T) {
	r := newReloads(t)
	r.reads(same, "x_total 23", xTotal(23))
	r.reads(reload, "x_total 23")
	r.reads(reload, "x_total 28", xTotal(5))
	r.reads(reload, "x_total 28")
	r.reads(reload, "x_total 30", xTotal(7)) // only the 5 were parked the second time
	r.reads(same, "x_total 32", xTotal(2))
}

func histogram(sum float64, bc ...float64) []sample { return hist("h", sum, bc...) }

func TestHistogramDroppedAndTakenBack(t *testing.T) {
	inf := math.Inf(1)
	r := newReloads(t)
	r.reads(same, "h 1:4 2:6 +Inf:9 sum:0.3 count:9", histogram(0.3, 1, 4, 2, 6, inf, 9)...)
	for range 2 {
		r.reads(reload, "h 1:4 2:6 +Inf:9 sum:0.3 count:9")
		r.reads(reload, "h 1:4 2:6 +Inf:9 sum:0.3 count:9", histogram(0.3, 1, 4, 2, 6, inf, 9)...)
	}
	r.reads(reload, "h 1:4 2:6 +Inf:9 sum:0.3 count:9")
	r.reads(reload, "h 1:5 2:8 +Inf:12 sum:0.7 count:12", histogram(0.7, 1, 5, 2, 8, inf, 12)...)
	r.wantNothingLeft()
	r.reads(reload, "h 1:5 2:8 +Inf:12 sum:0.7 count:12")
	r.reads(reload, "h 1:6 2:10 +Inf:15 sum:1.7 count:15", histogram(1, 1, 1, 2, 2, inf, 3)...) // began anew
	r.reads(reload, "h 1:6 2:10 +Inf:15 sum:1.7 count:15")
	r.reads(reload, "h 1:6 2:12 +Inf:22 sum:2.7 count:22", histogram(1, 1, 0, 2, 2, inf, 7)...) // again, as a bucket tells
}

// TestBucketsDroppedAndTakenBack has rules that drop some bounds, as the departed worker still has them.
func TestBucketsDroppedAndTakenBack(t *testing.T) {
	inf := math.Inf(1)
	r := newReloads(t)
	gone := add(r.f, "gone")
	page(r.f, gone, t0, histogram(1, 1, 1, 2, 1, inf, 1)...)
	r.f.Depart(gone, t0, false)
	for range 2 {
		r.reads(reload, "h 1:5 2:7 +Inf:10 sum:10 count:10", histogram(9, 1, 4, 2, 6, inf, 9)...)
		r.reads(reload, "h 1:5 2:7 +Inf:10 sum:10 count:10", histogram(9, 2, 6, inf, 9)...)
		r.reads(reload, "h 1:5 2:7 +Inf:10 sum:10 count:10", histogram(9, 1, 4, inf, 9)...)
		r.reads(reload, "h 1:5 2:7 +Inf:10 sum:10 count:10")
		r.reads(reload, "h 1:5 2:7 +Inf:10 sum:10 count:10", histogram(9, inf, 9)...)
	}
	r.reads(reload, "h 1:6 2:9 +Inf:13 sum:10 count:13", histogram(9, 1, 5, 2, 8, inf, 12)...)
	r.wantNothingLeft()
}

func summary(count, sum float64) []sample {
	return []sample{
		{id: id(exposition.Summary, "s", exposition.PartQuantile, 0.5), v: 3},
		{id: id(exposition.Summary, "s", exposition.PartSum, 0), v: sum},
		{id: id(exposition.Summary, "s", exposition.PartCount, 0), v: count},
	}
}

func TestSummaryDroppedAndTakenBack(t *testing.T) {
	r := newReloads(t)
	r.reads(same, "s sum:0.1 count:4", summary(4, 0.1)...)
	for range 2 {
		r.reads(reload, "s sum:0.1 count:4")
		r.reads(reload, "s sum:0.1 count:4", summary(4, 0.1)...)
	}
	r.reads(reload, "s sum:0.1 count:4")
	r.reads(reload, "s sum:-1 count:6", summary(6, -1)...) // a sum may fall
	r.reads(reload, "s sum:5 count:6", summary(6, 5)[:2]...)
	r.reads(reload, "s sum:6 count:7", summary(7, 6)...)
	r.wantNothingLeft()
	r.reads(reload, "s sum:6 count:7")
	r.reads(reload, "s sum:15 count:9", summary(2, 9)...) // began anew
	r.reads(reload, "s sum:15 count:9", summary(2, 9)[2:]...)
	r.reads(reload, "s sum:15 count:9")
	r.reads(reload, "s sum:16 count:9", summary(0, 1)[:2]...) // no count to tell by
}

// TestRemovedByTheWorker counts on, as where no rules change: also what it removed while a reload changed them.
func TestRemovedByTheWorker(t *testing.T) {
	for _, removes := range []bool{same, reload} {
		r := newReloads(t)
		h := histogram(2, math.Inf(1), 2)
		r.reads(same, "h +Inf:2 sum:2 count:2\nx_total 5", append(h, xTotal(5))...)
		r.reads(removes, "h +Inf:2 sum:2 count:2\nx_total 5")
		r.reads(same, "h +Inf:4 sum:4 count:4\nx_total 12", append(h, xTotal(7))...)
		r.reads(reload, "h +Inf:4 sum:4 count:4\nx_total 12", append(h, xTotal(7))...)
		r.reads(same, "h +Inf:4 sum:4 count:4\nx_total 12")
		r.reads(reload, "h +Inf:6 sum:6 count:6\nx_total 19", append(h, xTotal(7))...)
	}
}

// TestRulesOfAPageOnItsWay are those that it began with.
func TestRulesOfAPageOnItsWay(t *testing.T) {
	r := newReloads(t)
	up := sample{id: counter("z_total"), v: 1}
	r.reads(same, "x_total 5", xTotal(5))
	st := stage(r.inc, up) // the worker removed it
	r.f.Relabeled()
	r.f.Commit(st, t0)
	r.reads(same, "x_total 11", xTotal(6)) // and has it again: under the rules of the reload, which never dropped it
	r.f.Relabeled()
	page(r.f, r.inc, t0, xTotal(6), up) // the same lines
	r.reads(same, "x_total 11")
	r.reads(same, "x_total 18", xTotal(7))
}

func TestDepartedWhileDropped(t *testing.T) {
	r := newReloads(t)
	r.reads(same, "x_total 23", xTotal(23))
	r.reads(reload, "x_total 23")
	r.f.Depart(r.inc, t0, false)
	wantShow(t, r.f, t0, "x_total 23\nz_total 1")
	r.f.Return(r.inc)
	r.reads(reload, "x_total 30", xTotal(30))
	r.wantNothingLeft()
	r.reads(reload, "x_total 30")
	r.f.Depart(r.inc, t0, true)
	wantShow(t, r.f, t0, "x_total 30\nz_total 1")
}

// TestParkedIsForgotten with what it is part of.
func TestParkedIsForgotten(t *testing.T) {
	f := func(want string, forget func(*Fold) time.Time) {
		t.Helper()
		r := newReloads(t)
		r.reads(same, "x_total 23", xTotal(23))
		r.reads(reload, "x_total 23")
		now := forget(r.f)
		if len(r.inc.parked) > 0 {
			t.Errorf("parked: %v", r.inc.parked)
		}
		r.f.Relabeled()
		page(r.f, r.inc, now, xTotal(30), sample{id: counter("z_total"), v: 1})
		wantShow(t, r.f, now, want)
	}
	f("x_total 30\nz_total 0", func(f *Fold) time.Time { f.Forget(t0); return t0 })
	f("x_total 30\nz_total 1", func(f *Fold) time.Time { // series_retention is over
		f.Families(t0.Add(25 * time.Hour))
		return t0.Add(25 * time.Hour)
	})
}

// TestAnyBucketsDropped goes through three reloads, each with rules that drop some bounds or the whole, and takes all
// back: no bucket falls on the way, as the departed worker has them all, and nothing is left of it.
func TestAnyBucketsDropped(t *testing.T) {
	const whole, ways = 8, 9
	for way := range ways * ways * ways {
		r := newReloads(t)
		gone := add(r.f, "gone")
		page(r.f, gone, t0, histogram(1, 1, 1, 2, 2, 3, 3, math.Inf(1), 4)...)
		r.f.Depart(gone, t0, false)
		var before []exposition.Bucket
		for step, drops := range []int{0, way % ways, way / ways % ways, way / ways / ways, 0} {
			n := float64(step)
			lines := histogram(1, 1, 1+n, 2, 2+3*n, 3, 3+4*n, math.Inf(1), 4+6*n)
			var left []sample
			for i, line := range lines {
				if drops != whole && (i > 2 || drops>>i&1 == 0) {
					left = append(left, line)
				}
			}
			r.f.Relabeled()
			page(r.f, r.inc, t0, left...)
			now := r.f.Families(t0)[0].Series[0].Buckets
			for i, b := range before {
				if now[i].Count < b.Count {
					t.Fatalf("way %d, step %d: %v after %v", way, step, now, before)
				}
			}
			before = append(before[:0], now...)
			if want := 8 + 6*n; drops != whole && now[3].Count != want {
				t.Fatalf("way %d, step %d: %v, want %v", way, step, now[3].Count, want)
			}
		}
		r.wantNothingLeft()
	}
}

// TestResetsOfAReload are those of workers.
func TestResetsOfAReload(t *testing.T) {
	r := newReloads(t)
	r.reads(same, "s sum:9 count:4", summary(4, 9)...)
	for _, p := range []struct {
		lines  []sample
		resets int
	}{{summary(2, 5), 1}, {nil, 0}, {summary(3, 6), 0}} {
		r.f.Relabeled()
		if got := page(r.f, r.inc, t0, p.lines...).Resets; got != p.resets {
			t.Errorf("%v: %d resets, want %d", p.lines, got, p.resets)
		}
	}
}

// TestBucketsReturnWithoutReload goes on with the same life, which the other bounds tell.
func TestBucketsReturnWithoutReload(t *testing.T) {
	inf := math.Inf(1)
	r := newReloads(t)
	r.reads(same, "h 1:4 2:6 +Inf:9 sum:9 count:9", histogram(9, 1, 4, 2, 6, inf, 9)...)
	r.reads(reload, "h 2:6 +Inf:9 sum:9 count:9", histogram(9, 2, 6, inf, 9)...)
	r.reads(same, "h 1:5 2:7 +Inf:9 sum:9 count:9", histogram(9, 1, 5, 2, 7, inf, 9)...)
	r.wantNothingLeft()
}

// TestBeginsAnewWithoutSomeBuckets leaves in the offset what is parked of the bounds that are dropped.
func TestBeginsAnewWithoutSomeBuckets(t *testing.T) {
	inf := math.Inf(1)
	for _, more := range [][]sample{nil, {{id: counter("y_total"), v: 1}}} { // the same lines, or others
		r := newReloads(t)
		gone := add(r.f, "gone")
		page(r.f, gone, t0, append(histogram(1, 1, 1, 2, 1, inf, 1), sample{id: counter("y_total"), v: 0})...)
		r.f.Depart(gone, t0, false)
		y := map[bool]string{true: "\ny_total 0", false: "\ny_total 1"}[more == nil]
		r.reads(same, "h 1:5 2:7 +Inf:10 sum:10 count:10\ny_total 0", histogram(9, 1, 4, 2, 6, inf, 9)...)
		r.reads(reload, "h 1:5 2:7 +Inf:10 sum:10 count:10\ny_total 0", histogram(9, 2, 6, inf, 9)...)
		r.reads(same, "h 1:5 2:9 +Inf:13 sum:11 count:13"+y, append(histogram(1, 2, 2, inf, 3), more...)...)
		r.reads(reload, "h 1:10 2:13 +Inf:18 sum:13 count:18"+y, append(histogram(3, 1, 5, 2, 6, inf, 8), more...)...)
		r.reads(reload, "h 1:10 2:13 +Inf:18 sum:13 count:18"+y, append(histogram(3, 2, 6, inf, 8), more...)...)
	}
}
