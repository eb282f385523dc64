package merge

import (
	"fmt"
	"testing"

	"github.com/fedscrape/fedscrape/exposition"
)

// TestForesee: what is staged stays, and has room for what is foreseen, as the fold's lines have.
func TestForesee(t *testing.T) {
	f := New(NewOptions())
	st := add(f, "a").Stage()
	slots := make([]Slot, 700)
	for i := range slots {
		slots[i] = f.Slot(counter(fmt.Sprintf("x%d_total", i)))
		st.Sample(slots[i], float64(i), 0, false)
	}
	st.Foresee(5000)
	if cap(st.slots) < 5000 || cap(st.values) < 5000 || cap(f.lines) < 5000 || cap(f.previousMark) < 5000 {
		t.Errorf("room for %d slots, %d values, %d lines of the fold; want 5000", cap(st.slots), cap(st.values), cap(f.lines))
	}
	room := cap(st.values)
	if st.Foresee(600); cap(st.values) != room || len(st.values) != len(slots) {
		t.Errorf("less was foreseen than is there: %d samples, room for %d", len(st.values), cap(st.values))
	}
	f.Commit(st, t0)
	for i, s := range slots {
		if v := st.inc.last[i]; st.inc.slots[i] != s || v != float64(i) {
			t.Fatalf("line %d: slot %d, value %v", i, st.inc.slots[i], v)
		}
	}
}

// TestForeseeBeforeTheFirstLine makes room in what is used again.
func TestForeseeBeforeTheFirstLine(t *testing.T) {
	f := New(NewOptions())
	st := add(f, "a").Stage()
	if st.Foresee(1000); cap(st.slots) < 1000 || cap(st.values) < 1000 || cap(f.lines) > 0 {
		t.Errorf("room for %d slots, %d values, %d lines of the fold", cap(st.slots), cap(st.values), cap(f.lines))
	}
}

// TestForeseeIsBounded: one worker's page must not make the instance's tables large.
func TestForeseeIsBounded(t *testing.T) {
	f := New(NewOptions())
	st := add(f, "a").Stage()
	st.Sample(f.Slot(counter("x_total")), 1, 0, false)
	if st.Foresee(10 * maxCommon); cap(f.lines) > 2*maxCommon {
		t.Errorf("room for %d lines of the fold", cap(f.lines))
	}
}

// TestRoomLikeTheLastOrder: an order has room for as many of each kind as the last one had, if it is about as long.
func TestRoomLikeTheLastOrder(t *testing.T) {
	opts := NewOptions()
	opts.DefaultGaugeMode = ModeSum
	f := New(opts)
	var gauges, counters []exposition.SeriesID
	for i := range 1000 {
		gauges = append(gauges, gaugeID(fmt.Sprintf("g%d", i)))
		counters = append(counters, counter(fmt.Sprintf("c%d_total", i)))
	}
	derived := func(worker string, ids []exposition.SeriesID) *order {
		inc := add(f, worker)
		for range 2 {
			st := inc.Stage()
			for _, id := range ids {
				st.Sample(f.Slot(id), 1, 0, false)
			}
			f.Commit(st, t0)
		}
		f.derive(inc.order)
		return inc.order
	}
	derived("a", gauges)
	if o := derived("b", gauges[:900]); cap(o.gauges) < 1000 || cap(o.gauges) > 1100 { // appended one by one they have room for 1,280
		t.Errorf("900 gauges after 1000 have room for %d", cap(o.gauges))
	}
	if o := derived("c", append(gauges[:1:1], counters[:9]...)); cap(o.gauges) > 10 {
		t.Errorf("one gauge of ten lines after 900 has room for %d", cap(o.gauges))
	}
}
