package merge

import (
	"fmt"
	"math"
	"strconv"
	"testing"

	"github.com/fedscrape/fedscrape/exposition"
)

// BenchmarkCommitFalling takes the pages of 64 workers with 10,000 lines each, whose order differs, in turn: every other one of
// a worker is a fall of 96 of 100 lines.
func BenchmarkCommitFalling(b *testing.B) {
	const workers = 64
	f := New(NewOptions())
	var families [][]Slot
	for i := range 40 {
		var slots []Slot
		for k := range 100 {
			slots = append(slots, f.Slot(counter(fmt.Sprintf("x%d_total", i), "k", strconv.Itoa(k))))
		}
		families = append(families, slots)
	}
	for i := range 400 {
		var slots []Slot
		for _, s := range hist(fmt.Sprint("h", i), 1, 0.1, 1, 0.2, 1, 0.5, 1, 1, 2, 2, 2, 5, 2, 10, 2, 20, 3, 30, 4, 40, 5, 50, 6, inf, 7) {
			slots = append(slots, f.Slot(s.id))
		}
		families = append(families, slots)
	}
	type worker struct {
		inc   *Incarnation
		slots []Slot
		lines *exposition.Lines
		pages [2][]float64
	}
	var all []*worker
	for i := range workers {
		w := &worker{inc: add(f, strconv.Itoa(i)), lines: &exposition.Lines{}}
		for at := range families {
			w.slots = append(w.slots, families[(at+i*37)%len(families)]...)
		}
		all = append(all, w)
		st := w.inc.Stage()
		for at, slot := range w.slots {
			for round := range w.pages {
				w.pages[round] = append(w.pages[round], lineValue(f, at, slot, round))
			}
			st.Sample(slot, w.pages[1][at], 0, false)
		}
		st.Read(w.lines)
		f.Commit(st, t0)
	}
	round := 0
	b.SetBytes(int64(8 * len(all[0].slots)))
	b.ReportAllocs()
	for b.Loop() {
		w := all[round%workers]
		st := w.inc.Stage()
		if st.Expected() != w.lines {
			b.Fatal("another order")
		}
		copy(st.Room(len(w.slots)), w.pages[round/workers%2])
		st.Repeat(len(w.slots))
		st.Read(w.lines)
		f.Release(f.Commit(st, t0).Before)
		round++
	}
}

// lineValue is a whole number, 1 higher in odd rounds but for each 25th counter.
func lineValue(f *Fold, at int, slot Slot, round int) float64 {
	switch l := &f.lines[slot]; {
	case l.part == exposition.PartBucket && !math.IsInf(l.bound, 1):
		return math.Floor(l.bound*10) + 20 + float64(round)
	case l.part == exposition.PartBucket || l.part == exposition.PartCount:
		return 1000 + float64(round)
	case at%25 == 7:
		return float64(1000 + at)
	default:
		return float64(1000 + at + round)
	}
}
