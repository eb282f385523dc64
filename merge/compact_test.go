package merge

import (
	"fmt"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/fedscrape/fedscrape/exposition"
)

// churn is one worker's life: label sets that nobody had before, one that all have, a histogram.
func churn(f *Fold, i int, now time.Time) {
	inc := f.Add(Spec{Key: strconv.Itoa(i), WorkerID: strconv.Itoa(i % 8), Born: now})
	n := strconv.Itoa(i)
	p := []sample{x1(1), {id: counter("tmp_total", "n", n), v: 1}, {id: gaugeID("tmp", "n", n), v: 1}, {id: gaugeID("top", "n", n), v: 1}, {id: gaugeID("renamed_" + n), v: 1}}
	for _, s := range hist("h", 1, 1, 1, inf, 2) {
		s.id.Labels = exposition.Labels{{Name: "n", Value: n}}
		p = append(p, s)
	}
	st := inc.Stage()
	for _, s := range p {
		st.Sample(st.Slot(s.id), s.v, 0, false)
		st.Meta(s.id.Family, s.id.Type, "Help of "+s.id.Family, "")
	}
	f.Commit(st, now)
	f.Families(now)
	f.Depart(inc, now, i%3 != 0)
}

// sizes are all that could grow.
func sizes(f *Fold, d *disk) map[string]int {
	out := map[string]int{
		"lines": len(f.lines), "index": f.inUse(), "families": len(f.families), "unsaved": len(f.unsavedLines), "metas": len(f.metas),
		"extremes": len(f.extremes), "recent": len(f.recent), "all": len(f.departedAll), "incarnations": len(f.incarnations),
		"page": len(d.newest()), "state": len(d.records[stateKey]), "series": f.Series(),
	}
	for _, b := range d.records {
		out["records"] += len(b)
	}
	return out
}

func heap() int {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int(m.HeapAlloc)
}

// TestLabelChurnIsFlat recycles ten thousand workers, each with label sets and names of its own: after the retentions
// are over for the first of them, nothing grows any more.
func TestLabelChurnIsFlat(t *testing.T) {
	top, _ := NewRegexp("top")
	opts := NewOptions()
	opts.GaugeModes = []GaugeRule{{top, ModeMax}}
	f, d, now := New(opts), &disk{}, t0
	var early map[string]int
	earlyHeap, compactions := 0, 0
	workers := 10_000
	if slow {
		workers = 1_600
	}
	for i := range workers {
		now = now.Add(5 * time.Minute) // 288 a day
		churn(f, i, now)
		if i%10 == 0 {
			f.FoldExpired(now)
			f.Families(now)
			d.save(f, now, false)
			d.page(f)
			if f.Compact(now) {
				compactions++
			}
		}
		if i == 800 { // almost three days
			early, earlyHeap = sizes(f, d), heap()
		}
	}
	late, lateHeap := sizes(f, d), heap()
	t.Logf("%d compactions; early %v, %d bytes; late %v, %d bytes", compactions, early, earlyHeap, late, lateHeap)
	for what, n := range late {
		if what == "unsaved" { // up and down, until they are worth a record
			early[what] = 500
		}
		if n > early[what]+early[what]/3+10 {
			t.Errorf("%s: %d, was %d", what, n, early[what])
		}
	}
	if lateHeap > earlyHeap+earlyHeap/2 {
		t.Errorf("%d bytes, were %d", lateHeap, earlyHeap)
	}
	if !strings.Contains(show(f, now), fmt.Sprintf("x_total %d\n", workers)) {
		t.Error("x_total lost something")
	}
	if got, err := Restore(opts, d.records, d.newest(), now); err != nil || len(got.lines) != len(f.lines) {
		t.Errorf("restored: %v", err)
	}
}

// A page that is on its way while its lines go is refused; one whose lines stay counts.
func TestCompactRefusesStalePages(t *testing.T) {
	f := New(NewOptions())
	a := add(f, "a")
	page(f, a, t0, append(costPage(100), gaugeSample(), x1(1))...)
	page(f, a, t0, x1(1))
	wantShow(t, f, t0.Add(time.Minute), show(f, t0.Add(time.Minute)))
	slot := f.Slot(counter("x_total", "k", "7"))
	stale, right := a.Stage(), a.Stage()
	stale.Sample(slot, 5, 0, false)
	right.Sample(f.Slot(counter("x_total")), 2, 0, false)
	later := t0.Add(25 * time.Hour)
	f.Families(later)
	if !f.Compact(later) {
		t.Fatal("nothing goes")
	}
	outdated := a.Stage() // its reader still has the old table
	outdated.Sample(slot, 5, 0, false)
	if r := f.Commit(outdated, later); !r.Stale {
		t.Errorf("a slot that is free is taken: %+v", r)
	}
	reused := stale
	for _, when := range []string{"freed", "reused"} {
		if !f.Stale(reused) || f.Stale(right) {
			t.Errorf("%s: stale %v and %v", when, f.Stale(reused), f.Stale(right))
		}
		if r := f.Commit(reused, later); !r.Stale || r.Resets != 0 {
			t.Errorf("%s: taken: %+v", when, r)
		}
		for range restPages {
			f.Paged()
		}
		n := len(f.lines)
		for i := range 101 {
			f.Slot(counter("other_total", "k", strconv.Itoa(i)))
		}
		if len(f.lines) != n && when == "freed" {
			t.Errorf("%d lines, were %d", len(f.lines), n)
		}
	}
	if r := f.Commit(right, later); r.Stale {
		t.Error("a page whose lines are still there is refused")
	}
	wantShow(t, f, later, "x_total 2")
}

// A slot is not given to another line before the pages that name it are overwritten.
func TestFreedSlotsRest(t *testing.T) {
	f := New(NewOptions())
	a := add(f, "a")
	page(f, a, t0, append(costPage(100), x1(1))...)
	page(f, a, t0, x1(1))
	f.Families(t0)
	f.Families(t0.Add(25 * time.Hour))
	if !f.Compact(t0.Add(25*time.Hour)) || f.Compact(t0.Add(25*time.Hour)) {
		t.Fatal("it is to go once")
	}
	for i := range restPages {
		if slot := f.Slot(counter("new_total", "k", strconv.Itoa(i))); int(slot) < 101 {
			t.Errorf("after %d pages: slot %d", i, slot)
		}
		f.Paged()
	}
	if slot := f.Slot(counter("new_total")); int(slot) >= 101 {
		t.Errorf("slot %d is new", slot)
	}
}

// What is there, or has left something, stays.
func TestCompactKeeps(t *testing.T) {
	f := New(lawOptions())
	f.fewFreed = 1
	gone, kept, stays := add(f, "gone"), add(f, "kept"), add(f, "stays")
	p := func(name string) []sample {
		return []sample{
			{id: counter(name + "_total"), v: 1},
			{id: gaugeID("g_sum", "k", name), v: 0},
			{id: gaugeID("g_max", "k", name), v: 2},
			{id: gaugeID("g_mostrecent", "k", name), v: 3},
			{id: gaugeID("g_all", "k", name), v: 4},
			{id: gaugeID("g_liveall", "k", name), v: 5},
		}
	}
	page(f, gone, t0, p("gone")...)
	page(f, kept, t0, p("kept")...)
	page(f, stays, t0, p("stays")...)
	pending := stays.Stage()
	slot := pending.Slot(counter("pending_total"))
	f.Depart(gone, t0, true)
	f.Depart(kept, t0, false)
	want := show(f, t0)
	if !f.Compact(t0) || f.inUse() != 6*3-1+1 { // a live gauge of the folded one
		t.Fatalf("%d lines are left", f.inUse())
	}
	wantShow(t, f, t0, want)
	pending.Sample(slot, 7, 0, false)
	if r := f.Commit(pending, t0); r.Stale || !strings.Contains(show(f, t0), "pending_total 7\n") {
		t.Errorf("a page that is on its way lost its line: %+v", r)
	}
}
