package merge

import (
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
	apart   []int32 // of a departed one: the lines that f.kept does not hold

	variants map[*variant]struct{}
	metas    map[string]*meta
	hints    map[string]Mode
	labels   map[Slot]exposition.Labels // of gauges that carry the worker label

	untyped map[Slot]Slot // by typed line of the last snapshot, the line that the page itself has

	duplicates, badValues int // of the last snapshot
	firstBad              string

	encoded []byte // slots and untyped, for pages; nil: anew
}

// meta is what a page says of a family; one copy is shared by the workers that say the same.
type meta struct{ help, unit string }

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
	n := 0
	for i, slot := range inc.slots {
		if !gone(slot) {
			inc.slots[n], inc.last[n] = slot, inc.last[i]
			n++
		}
	}
	dropped := n < len(inc.slots)
	inc.slots, inc.last, inc.encoded = inc.slots[:n], inc.last[:n], nil
	return dropped
}

func (inc *Incarnation) setUntyped(slot, raw Slot) {
	if inc.untyped == nil {
		inc.untyped = map[Slot]Slot{}
	}
	inc.untyped[slot] = raw
}

// Stage is one page on its way in: nothing of it counts before Commit. It is an exposition.Sink for one goroutine.
type Stage struct {
	inc    *Incarnation
	slots  []Slot
	values []float64
	stamps map[Slot]int64
	metas  map[string]*meta
	// untyped has, by typed line, the line that the page itself has.
	untyped map[Slot]Slot
	before  map[string]*meta // of the last snapshot; not written any more
	newMeta bool             // some are not as before
	made    uint64           // how often Compact had freed slots
	// DefaultStamp is the timestamp, in milliseconds, of samples without one; 0 is none.
	DefaultStamp int64
}

// Stage begins a page. Several may be under way for one incarnation; each Commit takes one whole.
func (inc *Incarnation) Stage() *Stage {
	inc.fold.mu.Lock()
	defer inc.fold.mu.Unlock()
	return &Stage{
		inc: inc, made: inc.fold.compactions, before: inc.metas, slots: make([]Slot, 0, len(inc.slots)+16), values: make([]float64, 0, len(inc.slots)+16),
		metas: make(map[string]*meta, len(inc.metas)),
	}
}

// Rebind lets the page count for another incarnation than it was asked of.
func (st *Stage) Rebind(inc *Incarnation) { st.inc = inc }

// Slot implements exposition.Sink.
func (st *Stage) Slot(id exposition.SeriesID) Slot { return st.inc.fold.Slot(id) }

// Sample implements exposition.Sink.
func (st *Stage) Sample(slot Slot, value float64, timestamp int64, hasTimestamp bool) {
	st.slots = append(st.slots, slot)
	st.values = append(st.values, value)
	if !hasTimestamp && st.DefaultStamp != 0 {
		timestamp, hasTimestamp = st.DefaultStamp, true
	}
	if hasTimestamp {
		if st.stamps == nil {
			st.stamps = map[Slot]int64{}
		}
		if _, twice := st.stamps[slot]; !twice {
			st.stamps[slot] = timestamp
		}
	}
}

// Meta implements exposition.Sink.
func (st *Stage) Meta(family string, _ exposition.Type, help, unit string) {
	if old := st.before[family]; old != nil && old.help == help && old.unit == unit {
		st.metas[family] = old
		return
	}
	st.newMeta = true
	st.metas[family] = &meta{help, unit}
}

// Samples is how many lines the page has so far.
func (st *Stage) Samples() int { return len(st.slots) }

// Value gives the staged value of a family's first line, such as process_start_time_seconds.
func (st *Stage) Value(family string) (float64, bool) {
	f := st.inc.fold
	f.mu.Lock()
	defer f.mu.Unlock()
	fam := f.families[family]
	if fam == nil {
		return 0, false
	}
	for i, slot := range st.slots {
		if f.lines[slot].variant.family == fam && f.lines[slot].part == exposition.PartValue {
			return st.values[i], true
		}
	}
	return 0, false
}
