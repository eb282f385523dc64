package merge

import (
	"math"
	"slices"
	"time"
)

// commitQuick takes a page that repeats the last one's lines, and has nothing that wants a closer look: false where
// Commit has to do it. It is the steady state.
func (f *Fold) commitQuick(st *Stage, now time.Time) (Report, bool) {
	inc := st.inc
	if !f.repeats(st) || !inc.committed || st.stamps != nil || inc.stamps != nil || len(inc.goodSum) > 0 || inc.badValues > 0 {
		return Report{}, false
	}
	o := inc.order
	st.leaveOut(o)
	falls, ok := o.inspect(inc.last, st.values)
	if !ok || !f.unchanged(o, inc.last, st.values) {
		return Report{}, false
	}
	report := Report{Falls: falls, Duplicates: o.duplicates, First: o.first}
	if falls > 0 {
		report.Resets = inc.resetLines(o, st.values) + inc.resetBlocks(o, st.values)
		report.Before = &Snapshot{inc.slots, inc.last, f.life}
	}
	f.rankRepeated(inc, o, st.values, now)
	inc.duplicates, inc.badValues, inc.firstBad = o.duplicates, 0, o.first
	f.replaceLast(inc, st, falls > 0)
	return report, true
}

// repeats tells whether the staged page has the very lines of its incarnation's snapshot, in a layout that holds.
func (f *Fold) repeats(st *Stage) bool {
	o := st.inc.order
	if st.diverged || o == nil || o != st.expected || len(st.inc.untyped) > 0 || !f.layout {
		return false
	}
	f.derive(o)
	return o.quick && (len(st.values) == len(o.raw) || st.leftOut && len(st.values) == len(o.slots))
}

// leaveOut makes the values those of the snapshot's lines.
func (st *Stage) leaveOut(o *order) {
	if o.kept == nil || st.leftOut {
		return
	}
	for i, at := range o.kept {
		st.values[i] = st.values[at]
	}
	st.values, st.leftOut = st.values[:len(o.kept)], true
	st.exemplars.keep(o.kept)
}

// inspect counts the cumulative lines that fell; false where a value is not to be taken, or a histogram's count is
// another than its +Inf bucket.
func (o *order) inspect(last, values []float64) (falls int, ok bool) {
	for _, r := range o.growing {
		had := last[r.begin:r.end]
		for i, v := range values[r.begin:r.end] {
			if v >= had[i] && v <= math.MaxFloat64 {
				continue
			}
			if !(v >= 0 && v <= math.MaxFloat64) {
				return 0, false
			}
			falls++
		}
	}
	for _, i := range o.totals {
		if !finite(values[i]) {
			return 0, false
		}
	}
	for i := range o.blocks {
		if b := &o.blocks[i]; b.buckets.begin >= 0 && values[b.count] != values[b.buckets.end-1] {
			return 0, false
		}
	}
	return falls, true
}

// unchanged tells whether no gauge has a value that changes what others mean.
func (f *Fold) unchanged(o *order, last, values []float64) bool {
	return !slices.ContainsFunc(o.watched, func(i int32) bool {
		fam := f.lines[o.slots[i]].variant.family
		return fam.mayBeInfo() && values[i] != 1 || fam.name == hintFamily && values[i] != last[i]
	})
}

// rankRepeated notes which gauges the worker was seen to change.
func (f *Fold) rankRepeated(inc *Incarnation, o *order, values []float64, now time.Time) {
	for _, i := range o.watched {
		slot := o.slots[i]
		if f.class[slot] == classGauge && isRecent(f.lines[slot].variant.family.mode) &&
			math.Float64bits(values[i]) != math.Float64bits(inc.last[i]) {
			inc.ranks[slot] = rank{2, now.UnixMilli(), inc.seq}
		}
	}
}

// resetLines carries on what counters had that begin anew.
func (inc *Incarnation) resetLines(o *order, values []float64) (resets int) {
	for i, k := range o.kinds {
		if k == grows && values[i] < inc.last[i] {
			inc.carry(int32(i), inc.last[i])
			resets++
		}
	}
	return resets
}

// resetBlocks does the same for histograms and summaries, each as a whole.
func (inc *Incarnation) resetBlocks(o *order, values []float64) (resets int) {
	for i := range o.blocks {
		if b := &o.blocks[i]; b.fell(o, inc.last, values) {
			inc.carryBlock(b)
			resets++
		}
	}
	return resets
}

func (b *block) fell(o *order, last, values []float64) bool {
	if b.count >= 0 && o.kinds[b.count]&grows != 0 && values[b.count] < last[b.count] {
		return true
	}
	for i := b.buckets.begin; i < b.buckets.end; i++ {
		if values[i] < last[i] && o.kinds[i]&grows != 0 {
			return true
		}
	}
	return false
}

func (inc *Incarnation) carryBlock(b *block) {
	below := 0.0
	for i := b.buckets.begin; i < b.buckets.end; i++ {
		inc.carry(i, inc.last[i]-below)
		below = inc.last[i]
	}
	if b.count >= 0 {
		inc.carry(b.count, inc.last[b.count])
	}
	if b.sum >= 0 {
		inc.carry(b.sum, inc.last[b.sum])
	}
}

// carry adds to a line's offset. Where the offset is is looked up once for as long as the lines are the same.
func (inc *Incarnation) carry(i int32, v float64) {
	if inc.offsetAt == nil {
		inc.offsetAt = make([]int32, len(inc.slots))
	}
	if at := inc.offsetAt[i]; at > 0 && int(at) <= len(inc.offset.slots) && inc.offset.slots[at-1] == inc.slots[i] {
		inc.leaveAt(int(at-1), inc.slots[i], v)
		return
	}
	inc.leave(inc.slots[i], v)
	inc.offsetAt[i] = inc.offset.find(inc.slots[i])
}

// replaceLast makes the staged values the snapshot's. The old ones are used again unless somebody still needs them.
func (f *Fold) replaceLast(inc *Incarnation, st *Stage, needed bool) {
	old := inc.last
	inc.last, st.values = st.values, nil
	shared := inc.lastShared || needed
	inc.lastShared = st.shared
	if !shared {
		f.recycle(old)
	}
}

// recycle keeps a buffer for a later stage.
func (f *Fold) recycle(values []float64) {
	if len(f.spare) < len(f.incarnations)+1 {
		f.spare = append(f.spare, values[:0])
	}
}

// buffer gives room for n values.
func (f *Fold) buffer(n int) []float64 {
	if last := len(f.spare) - 1; last >= 0 {
		values := f.spare[last]
		f.spare = f.spare[:last]
		if cap(values) >= n {
			return values
		}
	}
	return make([]float64, 0, n)
}

// addRepeated adds up the lines whose order was derived.
func (f *Fold) addRepeated(inc *Incarnation, o *order) {
	all := f.total
	for _, r := range o.sums {
		slots, last := inc.slots[r.begin:r.end], inc.last[r.begin:r.end]
		for i, slot := range slots {
			all[slot].add(last[i])
		}
	}
	for _, i := range o.others {
		f.addLine(inc, int(i))
	}
}
