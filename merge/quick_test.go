package merge

import (
	"math"
	"testing"
	"time"

	"github.com/fedscrape/fedscrape/exposition"
)

// A histogram that comes back, in slots that it had before, hides again what it hid.
func TestHistogramThatReturnsHidesAgain(t *testing.T) {
	f := New(NewOptions())
	a := add(f, "a")
	other := sample{id: counter("h_sum"), v: 9}
	both := append(hist("h", 1, math.Inf(1), 3), other)
	page(f, a, t0, both...)
	wantShow(t, f, t0, "h +Inf:3 sum:1 count:3")
	page(f, a, t0, other)
	later := t0.Add(25 * time.Hour)
	wantShow(t, f, later, "h_sum 9")
	page(f, a, later, both...)
	wantShow(t, f, later, "h +Inf:3 sum:1 count:3")
}

// Lines that are there twice cost the quick way nothing: the first counts, page after page.
func TestQuickWithLinesTwice(t *testing.T) {
	f := New(NewOptions())
	a := add(f, "a")
	for i := range 4 {
		v := float64(i)
		r := page(f, a, t0, x("1", 10+v), x("1", 99), x("2", 20+v), x("2", 1), x("3", 5))
		if r.Duplicates != 2 || r.First == "" {
			t.Errorf("round %d: %+v", i, r)
		}
	}
	wantShow(t, f, t0, "x_total k=1 13\nx_total k=2 23\nx_total k=3 5")
	if !a.order.quick || a.order.kept == nil {
		t.Error("the pages were not taken the quick way")
	}
	page(f, a, t0, x("1", 3), x("1", 99), x("2", 30), x("2", 1), x("3", 5))
	wantShow(t, f, t0, "x_total k=1 16\nx_total k=2 30\nx_total k=3 5")
}

// A page of the past does not change while pages come, whichever way they are taken.
func TestSnapshotsStay(t *testing.T) {
	f := New(NewOptions())
	a := add(f, "a")
	page(f, a, t0, x("1", 1), x("2", 1))
	page(f, a, t0, x("1", 2), x("2", 2))
	past := f.Snapshot(a)
	st := stage(a, x("1", 3), x("2", 3))
	staged := st.Snapshot()
	f.Commit(st, t0)
	for v := 4.0; v < 9; v++ {
		page(f, a, t0, x("1", v), x("2", v))
	}
	fell := page(f, a, t0, x("1", 1), x("2", math.NaN()))
	page(f, a, t0, x("1", 50), x("2", 50))
	page(f, a, t0, x("1", 60), x("2", 60))
	for want, s := range map[float64]*Snapshot{2: past, 3: staged, 8: fell.Before} {
		if s.last[0] != want || s.last[1] != want {
			t.Errorf("a page of %v has become %v", want, s.last)
		}
	}
}

// The second page of the same lines, and each one after it, is taken the quick way.
func TestQuickIsTheRule(t *testing.T) {
	f := New(NewOptions())
	a := add(f, "a")
	lines := func(v float64) []sample {
		summary := []sample{
			{id: id(exposition.Summary, "s", exposition.PartSum, 0), v: v}, {id: id(exposition.Summary, "s", exposition.PartCount, 0), v: v},
		}
		return append(append(hist("h", v, 1, v, inf, v), summary...), x("1", v), sample{id: gaugeID("g"), v: -v}, sample{id: gaugeID("b_info"), v: 1})
	}
	for v := 1.0; v < 4; v++ {
		page(f, a, t0, lines(v)...)
		f.Families(t0)
	}
	for _, v := range []float64{4, 2, 3} { // a fall is no reason for the long way
		st := stage(a, lines(v)...)
		if _, ok := f.commitQuick(st, t0); !ok {
			t.Errorf("%v is not taken the quick way", v)
		}
	}
	wantShow(t, f, t0, "b_info 1\ng worker_id=a -3\nh 1:7 +Inf:7 sum:7 count:7\ns sum:7 count:7\nx_total k=1 7")
}

// The index of sums holds, whatever its shape.
func TestSumsIndex(t *testing.T) {
	var list sums
	want := map[Slot]float64{}
	for i := range 5000 {
		slots := []Slot{Slot(i * 7919 % 3001), Slot(i)}
		if i > 4500 {
			slots = append(slots, Slot(1_000_000-i%5))
		}
		for _, slot := range slots {
			list.add(slot, 1)
			want[slot]++
		}
		if i%1000 == 999 {
			list.drop(func(slot Slot) bool { return slot%10 == 3 })
			for slot := range want {
				if slot%10 == 3 {
					delete(want, slot)
				}
			}
		}
	}
	if len(list.slots) != len(want) || len(list.dense) == 0 || len(list.dense) > 10_000 || len(list.index) == 0 {
		t.Errorf("%d slots, want %d; %d dense, %d in a map", len(list.slots), len(want), len(list.dense), len(list.index))
	}
	for slot, v := range want {
		if at := list.find(slot); at == 0 || list.at(int(at-1)).value() != v {
			t.Fatalf("slot %d: place %d", slot, at)
		}
	}
	if list.find(3) != 0 || list.find(2_000_000) != 0 {
		t.Error("slots without a sum have one")
	}
}

// A histogram whose count is another than its last bucket gets one that is, page after page.
func TestQuickWithAnotherCount(t *testing.T) {
	f := New(NewOptions())
	a := add(f, "a")
	lines := func(inf, count float64) []sample {
		out := hist("h", 1, 1, 2, math.Inf(1), inf)
		out[len(out)-1].v = count
		return out
	}
	for i, c := range []struct{ inf, count float64 }{{3, 3}, {4, 4}, {5, 9}, {6, 6}, {7, 6}} {
		page(f, a, t0, lines(c.inf, c.count)...)
		want := []string{"3", "4", "5", "6", "7"}[i]
		wantShow(t, f, t0, "h 1:2 +Inf:"+want+" sum:1 count:"+want)
	}
}

// Where offsets are is remembered by line; it is not where it was when others have gone.
func TestOffsetsAfterOthersHaveGone(t *testing.T) {
	f := New(NewOptions())
	a := add(f, "a")
	values := func(v float64) []sample {
		return []sample{{id: counter("a_total"), v: v}, {id: counter("b_total"), v: 10 * v}, {id: counter("c_total"), v: 100 * v}}
	}
	for _, v := range []float64{3, 4, 2} {
		page(f, a, t0, values(v)...)
	}
	if len(a.offset.slots) != 3 {
		t.Fatalf("%d offsets", len(a.offset.slots))
	}
	f.zero([]*series{f.lines[a.slots[0]].series})
	page(f, a, t0, values(1)...)
	for i, want := range []float64{3, 70, 700} {
		if got := f.Families(t0)[i].Series[0].Value; got != want {
			t.Errorf("family %d is %v, want %v", i, got, want)
		}
	}
}

// A sum that is not finite does not enter an offset: not either where it was first seen while its type was left out.
func TestQuickLeavesNoNaNBehind(t *testing.T) {
	f := New(NewOptions())
	a, b := add(f, "a"), add(f, "b")
	summary := func(part exposition.Part) exposition.SeriesID { return id(exposition.Summary, "h", part, 0) }
	page(f, a, t0, sample{id: summary(exposition.PartSum), v: 1}, sample{id: summary(exposition.PartCount), v: 1})
	page(f, b, t0, hist("h", math.NaN(), 1, 1, math.Inf(1), 3)...)
	f.Depart(a, t0, true)
	wantShow(t, f, t0, "h 1:1 +Inf:3 sum:NaN count:3")
	page(f, b, t0, hist("h", 5, 1, 0, math.Inf(1), 1)...)
	wantShow(t, f, t0, "h 1:1 +Inf:4 sum:5 count:4")
}
