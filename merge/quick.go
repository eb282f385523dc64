package merge

import (
	"math"
	"slices"
	"time"
	"unsafe"
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
	falls, ok := 0, true
	if !st.rose() {
		falls, ok = o.inspectGrowing(inc.last, st.values)
	}
	if !ok || !o.inspect(st.values) || !f.unchanged(o, inc.last, st.values) {
		return Report{}, false
	}
	report := Report{Falls: falls, Duplicates: o.duplicates, First: o.first}
	if falls > 0 {
		inc.offset.own()
		inc.offset.grow(min(falls, len(inc.slots)-len(inc.offset.slots)))
		report.Resets = f.carry(inc, o, st.values)
		report.Before = f.handOver(inc)
	}
	f.rankRepeated(inc, o, st.values, now)
	inc.duplicates, inc.badValues, inc.firstBad = o.duplicates, 0, o.first
	f.replaceLast(inc, st, falls > 0)
	f.addArrived(inc, o)
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

// rose tells whether the staged page is known to rise from the incarnation's last one, in all that is cumulative.
func (st *Stage) rose() bool {
	return st.risen != nil && st.risen == unsafe.SliceData(st.inc.last) && st.gapAt == st.inc.fold.turns
}

// inspectGrowing counts the cumulative lines that fell; false where a value is not to be taken.
func (o *order) inspectGrowing(last, values []float64) (falls int, ok bool) {
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
	return falls, true
}

// inspect looks at all else: false where a value is not to be taken, or a histogram's count is another than its +Inf bucket.
func (o *order) inspect(values []float64) bool {
	for _, i := range o.totals {
		if !finite(values[i]) {
			return false
		}
	}
	for i := range o.blocks {
		if b := &o.blocks[i]; b.buckets.begin >= 0 && values[b.count] != values[b.buckets.end-1] {
			return false
		}
	}
	return true
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

// carrier carries on what lines had that begin anew: often all of a worker's at once.
type carrier struct {
	*Incarnation
	o      *order
	values []float64 // of the new page
	next   int       // place of the offset: that of the next line, mostly, as they fell in this order before
	// kept and between are the fold's, empty where they do not hold.
	kept, between []sum
}

// carry gives how many series begin anew with the values. The offset's numbers are its own.
func (f *Fold) carry(inc *Incarnation, o *order, values []float64) (resets int) {
	c := carrier{Incarnation: inc, o: o, values: values}
	if f.held {
		c.kept, c.between = f.kept, f.between
	}
	return c.lines() + c.blocks()
}

// lines carries on what counters had.
func (c *carrier) lines() (resets int) {
	for _, r := range c.o.alone {
		slots, last := c.slots[r.begin:r.end], c.last[r.begin:r.end]
		for i, v := range c.values[r.begin:r.end] {
			if had := last[i]; v < had {
				c.add(slots[i], had, c.kept)
				resets++
			}
		}
	}
	return resets
}

// blocks does the same for histograms and summaries, each as a whole.
func (c *carrier) blocks() (resets int) {
	for i := range c.o.blocks {
		if b := &c.o.blocks[i]; b.grows && b.fell(c.last, c.values) {
			c.block(b)
			resets++
		}
	}
	return resets
}

func (b *block) fell(last, values []float64) bool {
	if b.count >= 0 && values[b.count] < last[b.count] {
		return true
	}
	for i := b.buckets.begin; i < b.buckets.end; i++ {
		if values[i] < last[i] {
			return true
		}
	}
	return false
}

func (c *carrier) block(b *block) {
	below := 0.0
	for i := b.buckets.begin; i < b.buckets.end; i++ {
		c.add(c.slots[i], c.last[i]-below, c.between)
		below = c.last[i]
	}
	if b.count >= 0 {
		c.add(c.slots[b.count], c.last[b.count], c.kept)
	}
	if b.sum >= 0 {
		c.add(c.slots[b.sum], c.lastSum(c.slots[b.sum], c.last[b.sum]), c.kept)
	}
}

// add adds to a line's offset, and to what adding up begins with.
func (c *carrier) add(slot Slot, v float64, to []sum) {
	offset, at := &c.offset, c.next
	if at >= len(offset.slots) || offset.slots[at] != slot {
		at = offset.place(slot)
	}
	c.next = at + 1
	if t, exact := addExact(offset.highs[at], v); exact && !offset.rests.has(at) {
		offset.highs[at] = t
	} else {
		offset.addAt(at, v)
	}
	if int(slot) >= len(to) {
		return
	}
	if s := &to[slot]; !s.addWhole(v) {
		s.add(v)
	}
}

// replaceLast makes the staged values the snapshot's. The old ones are used again unless somebody still has them; handed says
// that somebody got them.
func (f *Fold) replaceLast(inc *Incarnation, st *Stage, handed bool) {
	f.turns++
	f.leaveArrived(inc)
	old, l := inc.last, inc.lease
	inc.last, inc.lease, inc.ahead = st.values, st.lease, 0
	if st.values, st.lease = nil, nil; !handed {
		f.giveBack(old, l)
	}
}

// recycle keeps a buffer for a later stage. A round may take one for each worker, and give back two: the last page and the one
// before a fall. One that is mostly empty would be as large in the hands of a small page.
func (f *Fold) recycle(values []float64) {
	if len(f.spare) <= 2*len(f.incarnations) && cap(values) <= 2*len(values)+64 {
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
	if inc.arrived != f.arrived.round {
		addSums(f.total, inc, o)
	}
	f.addGauges(inc, o)
	for _, i := range o.others {
		f.addLine(inc, int(i))
	}
}

// addGauges is addGauge for many.
func (f *Fold) addGauges(inc *Incarnation, o *order) {
	for i := range o.gauges {
		l := &o.gauges[i]
		if l.live && !inc.up {
			continue
		}
		g := f.gauges.at[l.slot]
		if g == nil {
			g = f.gauge(l.slot)
		}
		g.n++
		if v := inc.last[l.at]; l.adds {
			g.sum.add(v)
		} else {
			g.extend(v, v)
		}
	}
}
