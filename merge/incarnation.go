package merge

import (
	"maps"
	"slices"
	"time"

	"github.com/fedscrape/fedscrape/exposition"
)

// Incarnation is one life of a worker as the fold sees it. Its methods and fields belong to the Fold that made it.
type Incarnation struct {
	fold *Fold
	Key  string
	// WorkerID is the value of the worker label.
	WorkerID string
	born     time.Time
	seq      uint64 // order of joining, among those born at once

	present    bool
	up         bool
	departedAt time.Time
	base       bool // the first snapshot is the base: only what is gained after it counts
	committed  bool

	moves    uint64 // departures and returns: even while it is present
	recorded uint64 // the departure that a record has

	slots   []Slot // the last snapshot's lines in the page's order, each slot once
	last    []float64
	stamps  map[Slot]int64 // sample timestamps, in milliseconds
	ranks   map[Slot]rank  // of gauges seen to change
	goodSum map[Slot]float64
	offset  sums
	parked  map[Slot]float64 // the part of the offset that a reload put there
	rules   int              // of the fold, for the last snapshot
	apart   []int32          // of a departed one: the lines that f.kept does not hold

	variants map[*variant]struct{}
	metas    *metaSet // nil: no page was taken
	hints    map[string]Mode
	labels   map[Slot]exposition.Labels // of gauges that carry the worker label

	untyped map[Slot]Slot // by typed line of the last snapshot, the line that the page itself has

	duplicates, badValues int // of the last snapshot
	firstBad              string

	encoded []byte // slots and untyped, for pages; nil: anew

	order   *order // that slots come from; nil where they were changed since
	lease   *lease // of last
	arrived uint64 // the round of the fold's arrived that has last
	ahead   int    // as which one it was said ahead; 0: not, or what it says has changed
}

// older tells whether a comes before b in age.
func (inc *Incarnation) older(b *Incarnation) bool {
	if !inc.born.Equal(b.born) {
		return inc.born.Before(b.born)
	}
	return inc.seq < b.seq
}

// Present tells whether the incarnation is counted as there.
func (inc *Incarnation) Present() bool { return inc.present }

// drop forgets lines of the last snapshot, and tells whether there were some.
func (inc *Incarnation) drop(gone func(Slot) bool) bool {
	if !slices.ContainsFunc(inc.slots, gone) {
		return false
	}
	slots, last := make([]Slot, 0, len(inc.slots)), make([]float64, 0, len(inc.slots)) // a stage or a Snapshot may have the old ones
	for i, slot := range inc.slots {
		if !gone(slot) {
			slots, last = append(slots, slot), append(last, inc.last[i])
		}
	}
	inc.setLines(slots)
	inc.last, inc.lease = last, nil
	maps.DeleteFunc(inc.goodSum, func(slot Slot, _ float64) bool { return gone(slot) })
	maps.DeleteFunc(inc.ranks, func(slot Slot, _ rank) bool { return gone(slot) })
	return true
}

// setLines changes which lines the last snapshot has.
func (inc *Incarnation) setLines(slots []Slot) {
	inc.slots, inc.encoded, inc.order = slots, nil, nil
}

func (inc *Incarnation) setUntyped(slot, raw Slot) {
	if inc.untyped == nil {
		inc.untyped = map[Slot]Slot{}
	}
	inc.untyped[slot] = raw
}

// Stage is one page on its way in: nothing of it counts before Commit. It is an exposition.Sink, and a Repeater, for one
// goroutine.
type Stage struct {
	inc    *Incarnation
	slots  []Slot // where they are not those of expected
	values []float64

	expected *order // what the last page had
	diverged bool   // slots are the page's own
	leftOut  bool   // values are those of the snapshot's lines
	lease    *lease // of values
	lines    *exposition.Lines

	stamps map[Slot]int64
	metas  map[string]*meta

	exemplars *pageExemplars // nil: none
	// untyped has, by typed line, the line that the page itself has.
	untyped map[Slot]Slot
	before  *metaSet  // of the last snapshot; before the first of another worker
	newMeta bool      // some are not as before
	made    uint64    // how often Compact had freed slots
	rules   int       // of the fold
	gapFrom *Snapshot // that gap follows; nil: none
	gap     Gap
	gapAt   uint64 // after so many pages: memory may be another page's since
	// risen is the page, by its first number, that this one was found to rise from, if at gapAt.
	risen *float64
	// DefaultStamp is the timestamp, in milliseconds, of samples without one; 0 is none.
	DefaultStamp int64
}

// Stage begins a page. Several may be under way for one incarnation; each Commit takes one whole.
func (inc *Incarnation) Stage() *Stage {
	f := inc.fold
	f.mu.Lock()
	defer f.mu.Unlock()
	st := &Stage{inc: inc, made: f.compactions, rules: f.rules, before: inc.metas, expected: inc.order, diverged: true}
	if st.before == nil {
		st.before = f.lastMetas
	}
	if n := len(inc.slots); n > 0 {
		st.values = f.buffer(n + 16)
	}
	return st
}

// Expected gives the lines of the last page, for exposition's Page.Expect; nil where they are not known.
func (st *Stage) Expected() *exposition.Lines {
	if st.expected == nil {
		return nil
	}
	st.diverged = st.expected.lines == nil
	return st.expected.lines
}

// Read says which lines the page had that is staged now, for the next page.
func (st *Stage) Read(lines *exposition.Lines) { st.lines = lines }

// Release gives a stage up that is not to be committed.
func (st *Stage) Release() {
	f := st.inc.fold
	f.mu.Lock()
	defer f.mu.Unlock()
	if st.values != nil {
		f.giveBack(st.values, st.lease)
	}
	st.values = nil
	st.exemplars.release()
	st.exemplars = nil
}

// Room implements exposition.Repeater.
func (st *Stage) Room(n int) []float64 {
	st.values = slices.Grow(st.values, n)
	return st.values[:n]
}

// Repeat implements exposition.Repeater.
func (st *Stage) Repeat(n int) { st.values = st.values[:n] }

// Foresee implements exposition.Repeater.
func (st *Stage) Foresee(n int) {
	if st.slots == nil {
		st.makeRoom()
	} else {
		st.inc.fold.reserve(n)
	}
	if more := n - len(st.slots); more > 0 {
		st.slots, st.values = slices.Grow(st.slots, more), slices.Grow(st.values, more)
	}
}

// Stamp implements exposition.Repeater.
func (st *Stage) Stamp(slot Slot, timestamp int64) {
	if st.stamps == nil {
		st.stamps = map[Slot]int64{}
	}
	if _, twice := st.stamps[slot]; !twice {
		st.stamps[slot] = timestamp
	}
}

// Diverge implements exposition.Repeater.
func (st *Stage) Diverge(slots []Slot) {
	st.diverged = true
	st.slots = append(slices.Grow(st.slots[:0], cap(st.values)), slots...)
}

// own gives the stage slots of its own, which may be changed.
func (st *Stage) own() {
	if !st.diverged {
		st.diverged, st.slots, st.metas = true, slices.Clone(st.expected.raw), st.before.of
		if st.leftOut {
			st.slots = slices.Clone(st.expected.slots)
		}
	}
}

// Rebind lets the page count for another incarnation than it was asked of.
func (st *Stage) Rebind(inc *Incarnation) { st.inc = inc }

// Slot implements exposition.Sink.
func (st *Stage) Slot(id exposition.SeriesID) Slot { return st.inc.fold.Slot(id) }

// Sample implements exposition.Sink.
func (st *Stage) Sample(slot Slot, value float64, timestamp int64, hasTimestamp bool) {
	if st.slots == nil {
		st.makeRoom()
	}
	st.slots = append(st.slots, slot)
	st.values = append(st.values, value)
	if !hasTimestamp && st.DefaultStamp != 0 {
		timestamp, hasTimestamp = st.DefaultStamp, true
	}
	if hasTimestamp {
		st.Stamp(slot, timestamp)
	}
}

// makeRoom is for the first line of a page of which nothing is known: it has as many as the last such one, as workers of an
// instance are much alike.
func (st *Stage) makeRoom() {
	if cap(st.values) == 0 {
		f := st.inc.fold
		f.mu.Lock()
		st.values = f.buffer(f.common + 16)
		f.mu.Unlock()
	}
	st.slots = make([]Slot, 0, cap(st.values))
}

// maxCommon bounds that room: one worker's page must not make those of all others large.
const maxCommon = 16 << 10

// Samples is how many lines the page has so far.
func (st *Stage) Samples() int { return len(st.values) }

// Value gives the staged value of a family's first line, such as process_start_time_seconds.
func (st *Stage) Value(family string) (float64, bool) {
	f := st.inc.fold
	f.mu.Lock()
	defer f.mu.Unlock()
	var at int
	if o := st.expected; !st.diverged && !st.leftOut {
		if o.asked != family {
			o.asked, o.askedAt = family, f.valueAt(family, o.raw)
		}
		at = o.askedAt
	} else {
		st.own()
		at = f.valueAt(family, st.slots)
	}
	if at < 0 {
		return 0, false
	}
	return st.values[at], true
}

// valueAt finds a family's first line; -1 where it has none.
func (f *Fold) valueAt(family string, slots []Slot) int {
	fam := f.families[family]
	if fam == nil {
		return -1
	}
	return slices.IndexFunc(slots, func(slot Slot) bool {
		return f.lines[slot].variant.family == fam && f.lines[slot].part == exposition.PartValue
	})
}
