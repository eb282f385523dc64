package merge

import (
	"fmt"
	"math"
	"strconv"
	"testing"
	"time"

	"github.com/fedscrape/fedscrape/exposition"
)

// costPage is a page of n counters.
func costPage(n int) []sample {
	out := make([]sample, n)
	for i := range out {
		out[i] = x(strconv.Itoa(i), float64(i))
	}
	return out
}

// Scenario 16: ten thousand workers, one after another, cost what one does.
func TestTenThousandDeparturesAreFlat(t *testing.T) {
	opts := NewOptions()
	opts.DefaultGaugeMode = ModeAll
	f, now := New(opts), t0
	lines := append(append(costPage(20), hist("h", 1, 1, 1, inf, 2)...), gaugeSample(), sample{id: gaugeID("process_start_time_seconds"), v: 5})
	for i := range 10_000 {
		now = now.Add(time.Second)
		inc := f.Add(Spec{Key: strconv.Itoa(i), WorkerID: strconv.Itoa(i % 8), Born: now})
		page(f, inc, now, lines...)
		f.Depart(inc, now, i%3 == 0)
		if i%100 == 0 {
			f.FoldExpired(now)
			f.Families(now)
		}
	}
	f.FoldExpired(now)
	held := []int{len(f.incarnations), len(f.lines), len(f.departedAll), len(f.extremes), len(f.recent), len(f.hints), f.Series()}
	for i, most := range []int{257, 26, 8, 2, 0, 0, 23} {
		if held[i] > most {
			t.Errorf("%v is kept, at most %d at %d is flat", held, most, i)
		}
	}
	if got := f.Families(now)[3].Series[19].Value; got != 10_000*9 {
		t.Errorf("k=9 is %v", got)
	}
}

// A clear() of many series, and their expiry, goes through each incarnation once: with a pass for each series this
// takes minutes.
func TestManySeriesGoAtOnce(t *testing.T) {
	const n = 20_000
	f := New(NewOptions())
	a, lines := add(f, "a"), costPage(n)
	for i := range 50 {
		gone := add(f, "gone"+strconv.Itoa(i))
		page(f, gone, t0, lines...)
		f.Depart(gone, t0, false)
	}
	page(f, a, t0, lines...)
	page(f, a, t0, gaugeSample())
	f.Families(t0)
	if len(a.offset.slots) != n {
		t.Fatalf("%d offsets", len(a.offset.slots))
	}
	wantShow(t, f, t0.Add(25*time.Hour), "g worker_id=a 1")
	if len(a.offset.slots) != 0 || f.Series() != 1 {
		t.Errorf("%d offsets, %d series are left", len(a.offset.slots), f.Series())
	}
}

// The steady state of a round allocates for the page that goes out, not for what comes in.
func TestCommitAllocatesLittle(t *testing.T) {
	f := New(NewOptions())
	a, lines := add(f, "a"), costPage(2000)
	slots := make([]Slot, len(lines))
	for i, s := range lines {
		slots[i] = f.Slot(s.id)
	}
	commit := func() {
		st := a.Stage()
		for i, slot := range slots {
			st.Sample(slot, lines[i].v, 0, false)
		}
		f.Commit(st, t0)
	}
	commit()
	if n := testing.AllocsPerRun(20, commit); n > 10 {
		t.Errorf("%v allocations", n)
	}
}

func benchFold(b *testing.B) (*Fold, []*Incarnation, []Slot) {
	b.Helper()
	f := New(NewOptions())
	var slots []Slot
	for i := range 1000 {
		slots = append(slots, f.Slot(counter("x_total", "k", strconv.Itoa(i))))
	}
	for i := range 80 {
		for _, s := range hist(fmt.Sprint("h", i), 1, 0.1, 1, 0.2, 1, 0.5, 1, 1, 2, 2, 2, 5, 2, 10, 2, 20, 3, inf, 3) {
			slots = append(slots, f.Slot(s.id))
		}
	}
	for i := range 120 {
		slots = append(slots, f.Slot(gaugeID("g"+strconv.Itoa(i))))
	}
	var incs []*Incarnation
	for i := range 64 {
		incs = append(incs, add(f, strconv.Itoa(i)))
		benchCommit(f, incs[i], slots)
	}
	return f, incs, slots
}

func benchCommit(f *Fold, inc *Incarnation, slots []Slot) {
	st := inc.Stage()
	for i, slot := range slots {
		st.Sample(slot, math.Floor(float64(i)/2), 0, false)
	}
	f.SetUp(inc, true)
	f.Commit(st, t0)
}

// BenchmarkFamilies merges 64 workers of 2,000 lines.
func BenchmarkFamilies(b *testing.B) {
	f, _, _ := benchFold(b)
	b.ReportAllocs()
	for b.Loop() {
		f.Families(t0)
	}
}

// BenchmarkCommit takes one worker's page of 2,000 lines.
func BenchmarkCommit(b *testing.B) {
	f, incs, slots := benchFold(b)
	b.ReportAllocs()
	for b.Loop() {
		benchCommit(f, incs[0], slots)
	}
}

// A new series costs its key, its labels and itself; a new line of it its key.
func TestNewSeriesAllocateLittle(t *testing.T) {
	const n = 2000
	ids := make([]exposition.SeriesID, n)
	for i := range ids {
		ids[i] = counter("x_total", "endpoint", "/api/v1/orders", "k", strconv.Itoa(i/2))
		if i%2 == 1 {
			ids[i].Part = exposition.PartCreated
		}
	}
	got := testing.AllocsPerRun(5, func() {
		f := New(NewOptions())
		for _, id := range ids {
			f.Slot(id)
		}
	})
	if most := 2.25 * n; got > most {
		t.Errorf("%v allocations for %d lines of %d series", got, n, n/2)
	}
}

// The labels that Slot is given are the caller's, who uses them for the next line.
func TestSlotKeepsLabelsOfItsOwn(t *testing.T) {
	f := New(NewOptions())
	a := add(f, "a")
	labels := exposition.Labels{{Name: "k", Value: ""}}
	st := a.Stage()
	for i, k := range []string{"x", "y"} {
		labels[0].Value = k
		st.Sample(f.Slot(exposition.SeriesID{Family: "x_total", Type: exposition.Counter, Labels: labels}), float64(i), 0, false)
	}
	f.Commit(st, t0)
	wantShow(t, f, t0, "x_total k=x 0\nx_total k=y 1")
}
