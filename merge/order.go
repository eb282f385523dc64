package merge

import (
	"math"
	"slices"

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
	growing []run   // lines that are cumulative, and count as themselves
	alone   []run   // those of them that are no part of a block
	totals  []int32 // sums of observations, which may fall
	sums    []run   // lines that are added up as they are
	gauges  []gaugeLine
	others  []int32 // all else that counts
	blocks  []block
	watched []int32 // gauges whose value may change more than itself
	ages    uint64  // the latest life of its lines
	aged    bool    // that is known

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
	f.characterize()
	o.meaning, o.aged = f.meaning, false
	o.growing, o.alone, o.totals = o.growing[:0], o.alone[:0], o.totals[:0]
	o.sums, o.gauges, o.others = o.sums[:0], o.gauges[:0], o.others[:0]
	o.watched, o.blocks = o.watched[:0], o.blocks[:0]
	o.makeRoom(f.sizes)
	o.quick = o.kept != nil || len(o.raw) == len(o.slots) && (len(o.raw) == 0 || &o.raw[0] == &o.slots[0])
	f.generation++
	for begin := 0; begin < len(o.slots); {
		end := f.alike(o.slots, begin)
		f.deriveLines(o, run{int32(begin), int32(end)})
		begin = end
	}
	for i := range o.blocks {
		o.quick = o.quick && o.blocks[i].whole(f, o)
	}
	f.sizes = orderSizes{len(o.slots), len(o.growing), len(o.alone), len(o.totals), len(o.sums), len(o.gauges), len(o.others), len(o.watched), len(o.blocks)}
}

// orderSizes is how many of each the last order had.
type orderSizes struct{ slots, growing, alone, totals, sums, gauges, others, watched, blocks int }

// makeRoom is for an order with about as many lines as the last one: it has about as many of each, mostly.
func (o *order) makeRoom(n orderSizes) {
	if len(o.slots) < n.slots-n.slots/8 || len(o.slots) > n.slots+n.slots/8 {
		return
	}
	o.growing, o.alone, o.sums = slices.Grow(o.growing, n.growing), slices.Grow(o.alone, n.alone), slices.Grow(o.sums, n.sums)
	o.totals, o.others, o.watched = slices.Grow(o.totals, n.totals), slices.Grow(o.others, n.others), slices.Grow(o.watched, n.watched)
	o.gauges, o.blocks = slices.Grow(o.gauges, n.gauges), slices.Grow(o.blocks, n.blocks)
}

// deriveLines is for lines that are alike.
func (f *Fold) deriveLines(o *order, r run) {
	t := &f.traits[o.slots[r.begin]]
	o.quick = o.quick && t.is&traitMoved == 0
	if t.is&traitGrows != 0 {
		o.growing = appendRun(o.growing, r)
	}
	if t.is&traitTotal == traitTotal {
		o.totals = appendLines(o.totals, r)
	}
	if t.is&traitPart != 0 {
		o.quick = f.deriveBlock(o, t, r) && o.quick
	} else if t.is&traitGrows != 0 {
		o.alone = appendRun(o.alone, r)
	}
	if t.is&traitWatched != 0 {
		o.watched = appendLines(o.watched, r)
	}
	switch {
	case t.is&traitAdds != 0:
		o.sums = appendRun(o.sums, r)
	case t.is&traitGauge != 0:
		for i := r.begin; i < r.end; i++ {
			o.gauges = append(o.gauges, gaugeLine{i, o.slots[i], t.is&traitGaugeAdds != 0, t.is&traitLive != 0})
		}
	case t.is&traitOther != 0:
		o.others = appendLines(o.others, r)
	}
}

func appendLines(lines []int32, r run) []int32 {
	for i := r.begin; i < r.end; i++ {
		lines = append(lines, i)
	}
	return lines
}

// gaugeLine is a gauge of which a number is all that counts.
type gaugeLine struct {
	at   int32 // the line
	slot Slot
	adds bool // to a sum; else it may be the lowest or highest
	live bool // only while the worker is up
}

// appendRun adds lines that come after those of the runs.
func appendRun(runs []run, r run) []run {
	if n := len(runs); n > 0 && runs[n-1].end == r.begin {
		runs[n-1].end = r.end
		return runs
	}
	return append(runs, r)
}

// blockMark is where derive has put a series, in its generation.
type blockMark struct {
	generation uint64
	at         int32
}

// deriveBlock adds lines to their series' block; false where the page's histogram is in an order that blocks do not have.
func (f *Fold) deriveBlock(o *order, t *trait, r run) bool {
	m := &f.blocks[t.series]
	if m.generation != f.generation {
		*m = blockMark{f.generation, int32(len(o.blocks))}
		o.blocks = append(o.blocks, block{buckets: run{-1, -1}, sum: -1, count: -1})
	}
	b := &o.blocks[m.at]
	b.grows = b.grows || t.is&traitGrows != 0
	switch {
	case t.is&traitSum != 0:
		b.sum = r.begin
	case t.is&traitCount != 0:
		b.count = r.begin
	case b.buckets.begin >= 0:
		return false
	default:
		b.buckets = r
	}
	return true
}

// agesOf is the latest life of the order's lines.
func (f *Fold) agesOf(o *order) uint64 {
	if !o.aged {
		o.ages, o.aged = 0, true
		for _, slot := range o.slots {
			o.ages = max(o.ages, f.lines[slot].life)
		}
	}
	return o.ages
}

// whole tells whether the block has what the page of a histogram should have.
func (b *block) whole(f *Fold, o *order) bool {
	if b.buckets.begin >= 0 {
		return b.count >= 0 && math.IsInf(f.lines[o.slots[b.buckets.end-1]].bound, 1)
	}
	at := max(b.sum, b.count)
	return f.lines[o.slots[at]].variant.typ == exposition.Summary
}
