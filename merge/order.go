package merge

import (
	"math"

	"github.com/fedscrape/fedscrape/exposition"
)

// order is which lines a page has, and in which order. Pages of a worker that repeat it share it, so that each line of
// theirs costs a step through arrays of numbers. What the page said is immutable; what follows from the fold's layout is
// derived anew where that changes.
type order struct {
	slots []Slot            // of the snapshot
	raw   []Slot            // as the page had them; the same array as slots where nothing was left out or added
	kept  []int32           // where only repetitions were left out: which of the page's lines the snapshot has
	lines *exposition.Lines // by which the reader knows the page

	duplicates int
	first      string // one of them

	meaning uint64  // the fold's, when what follows was derived
	quick   bool    // a page that repeats the order can be taken by commitQuick
	growing []run   // lines that are cumulative
	alone   []run   // those of them that are no part of a block
	totals  []int32 // sums of observations, which may fall
	sums    []run   // lines that are added up as they are
	gauges  []gaugeLine
	others  []int32 // all else that counts
	blocks  []block
	watched []int32 // gauges whose value may change more than itself
	ages    uint64  // the latest life of its lines

	asked   string // the family that Value was asked for last
	askedAt int    // its line; -1: none
}

// run is the lines from begin to before end.
type run struct{ begin, end int32 }

// block is one histogram or summary: its buckets, which stand together in ascending order, its sum and count; -1 where
// it has none. One that grows is reset as a whole.
type block struct {
	buckets    run
	sum, count int32
	grows      bool
}

// reshape says that what is derived from what workers have, and from what pages say of it, does not hold any more.
func (f *Fold) reshape() { f.shape++ }

// redefine says that lines may be something else to the fold by now: what orders derive does not hold any more either. A worker
// that comes or goes changes nothing about that, mostly.
func (f *Fold) redefine() {
	f.meaning++
	f.unsay()
	f.reshape()
}

// derive finds out what the order's lines are to the fold, where that changed.
func (f *Fold) derive(o *order) {
	if o.meaning == f.meaning {
		return
	}
	o.meaning, o.ages = f.meaning, 0
	o.growing, o.alone, o.totals = o.growing[:0], o.alone[:0], o.totals[:0]
	o.sums, o.gauges, o.others = o.sums[:0], o.gauges[:0], o.others[:0]
	o.watched, o.blocks = o.watched[:0], o.blocks[:0]
	o.quick = o.kept != nil || len(o.raw) == len(o.slots) && (len(o.raw) == 0 || &o.raw[0] == &o.slots[0])
	f.generation++
	for i, slot := range o.slots {
		f.deriveLine(o, int32(i), slot)
	}
	for i := range o.blocks {
		o.quick = o.quick && o.blocks[i].whole(f, o)
	}
}

func (f *Fold) deriveLine(o *order, i int32, slot Slot) {
	l := &f.lines[slot]
	o.ages = max(o.ages, l.life)
	o.quick = o.quick && f.target[slot] == slot
	grows := f.fallIsReset(slot)
	if grows {
		o.growing = appendRun(o.growing, i)
	}
	if l.part == exposition.PartSum && f.class[slot] == classSum {
		o.totals = append(o.totals, i)
	}
	if l.part == exposition.PartBucket || l.part == exposition.PartCount || l.part == exposition.PartSum {
		o.quick = f.deriveBlock(o, l, i, grows) && o.quick
	} else if grows {
		o.alone = appendRun(o.alone, i)
	}
	if fam := l.variant.family; l.part == exposition.PartValue && (fam.mayBeInfo() || fam.name == hintFamily || isRecent(fam.mode)) {
		o.watched = append(o.watched, i)
	}
	f.deriveSum(o, i, slot)
}

// deriveSum notes how the line is added up.
func (f *Fold) deriveSum(o *order, i int32, slot Slot) {
	class := f.class[f.target[slot]]
	switch {
	case class == classSkip || class == classDropped:
	case f.target[slot] == slot && class == classSum:
		o.sums = appendRun(o.sums, i)
	case f.target[slot] == slot && class == classGauge:
		f.deriveGauge(o, i, slot)
	default:
		o.others = append(o.others, i)
	}
}

// gaugeLine is a gauge of which a number is all that counts.
type gaugeLine struct {
	at   int32 // the line
	slot Slot
	adds bool // to a sum; else it may be the lowest or highest
	live bool // only while the worker is up
}

func (f *Fold) deriveGauge(o *order, i int32, slot Slot) {
	switch mode, live := f.lines[slot].variant.family.mode.live(); mode {
	case ModeSum, ModeAvg:
		o.gauges = append(o.gauges, gaugeLine{i, slot, true, live})
	case ModeMin, ModeMax, modeForever:
		o.gauges = append(o.gauges, gaugeLine{i, slot, false, live})
	default:
		o.others = append(o.others, i)
	}
}

// appendRun adds a line that comes after those of the runs.
func appendRun(runs []run, i int32) []run {
	if n := len(runs); n > 0 && runs[n-1].end == i {
		runs[n-1].end++
		return runs
	}
	return append(runs, run{i, i + 1})
}

// deriveBlock adds a line to its block; false where the page's histogram is in an order that blocks do not have.
func (f *Fold) deriveBlock(o *order, l *line, i int32, grows bool) bool {
	s := l.series
	if s.page != f.generation {
		s.page, s.block = f.generation, int32(len(o.blocks))
		o.blocks = append(o.blocks, block{buckets: run{-1, -1}, sum: -1, count: -1})
	}
	b := &o.blocks[s.block]
	b.grows = b.grows || grows
	switch l.part {
	case exposition.PartSum:
		b.sum = i
	case exposition.PartCount:
		b.count = i
	default:
		if b.buckets.begin < 0 {
			b.buckets = run{i, i}
		} else if b.buckets.end != i || f.lines[o.slots[i-1]].bound >= l.bound {
			return false
		}
		b.buckets.end = i + 1
	}
	return true
}

// whole tells whether the block has what the page of a histogram should have.
func (b *block) whole(f *Fold, o *order) bool {
	if b.buckets.begin >= 0 {
		return b.count >= 0 && math.IsInf(f.lines[o.slots[b.buckets.end-1]].bound, 1)
	}
	at := max(b.sum, b.count)
	return f.lines[o.slots[at]].variant.typ == exposition.Summary
}
