package merge

import (
	"math"
	"slices"
	"time"

	"github.com/fedscrape/fedscrape/exposition"
)

// Report is what a Commit noticed.
type Report struct {
	// Resets is how many series fell inside the incarnation and were carried on from where they were.
	Resets int
	// Stale tells that nothing was taken: Compact let go of lines since the stage began.
	Stale bool
	// Falls is how many cumulative lines were lower than in the last snapshot, which is Before where some were.
	Falls  int
	Before *Snapshot
	// Duplicates and BadValues are lines that were not taken; First names one of them.
	Duplicates, BadValues int
	First                 string
}

// Fell tells whether some cumulative series of the staged page is below the incarnation's last snapshot.
func (f *Fold) Fell(st *Stage) bool { return f.FellFrom(st, st.inc) }

// FellFrom tells whether some cumulative series of the staged page is below another incarnation's last snapshot.
func (f *Fold) FellFrom(st *Stage, inc *Incarnation) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.decideLayout()
	st.own()
	f.translate(st)
	f.scatter(inc)
	for i, slot := range st.slots {
		if f.previousMark[slot] == f.generation && f.fallIsReset(slot) && st.values[i] < f.previous[slot] {
			return true
		}
	}
	return false
}

// Lacks tells whether the staged page lacks a line of the incarnation's last snapshot.
func (f *Fold) Lacks(st *Stage) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.decideLayout()
	if f.repeats(st) {
		return false
	}
	st.own()
	f.translate(st)
	f.generation++
	for _, slot := range st.slots {
		f.mark[slot] = f.generation
	}
	return slices.ContainsFunc(st.inc.slots, func(slot Slot) bool {
		return f.mark[slot] != f.generation && !f.synthesized(slot)
	})
}

// synthesized tells whether the line may be one that commit added to the page.
func (f *Fold) synthesized(slot Slot) bool {
	l := &f.lines[slot]
	return l.part == exposition.PartCount || l.part == exposition.PartBucket && math.IsInf(l.bound, 1)
}

// Commit makes the staged page the incarnation's snapshot. The stage must not be used after it.
func (f *Fold) Commit(st *Stage, now time.Time) Report {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.stale(st) {
		return Report{Stale: true}
	}
	f.see(now)
	f.decideLayout()
	if report, ok := f.commitQuick(st, now); ok {
		st.inc.rules = st.rules
		f.forgetFallen(st.inc, report.Before)
		f.takeExemplars(st, st.inc.slots, nil, now)
		return report
	}
	st.own()
	if st.lease != nil {
		values := slices.Clone(st.values)
		f.giveBack(st.values, st.lease)
		st.values, st.lease = values, nil
	}
	c := commit{Fold: f, st: st, inc: st.inc, now: now, read: len(st.slots)}
	if f.joined {
		c.raw = slices.Clone(st.slots)
		f.translate(st)
	}
	f.scatter(st.inc)
	f.characterize()
	c.takeLines()
	st.exemplars.keep(c.kept)
	f.takeExemplars(st, st.slots, c.refused, now)
	c.completeHistograms()
	c.findRemoved()
	c.applyResets()
	c.takeBack()
	c.rank()
	base := c.inc.base && !c.inc.committed
	if c.swap(); base {
		c.applyBase()
	}
	if f.layout { // else what its lines are is not known before the next page is shown or taken
		f.derive(st.inc.order)
		f.addArrived(st.inc, st.inc.order)
	}
	return c.report
}

// commit is the state of one Commit.
type commit struct {
	*Fold
	st         *Stage
	inc        *Incarnation
	now        time.Time
	histograms []*series // in the page
	resets     []*series // fell as a whole
	fallen     int       // of them, before those that lack a line
	report     Report
	hints      bool // some hint is not as before

	// What the page had, for its order.
	read    int     // lines
	raw     []Slot  // nil: the first of what was taken
	kept    []int32 // lines of raw that were taken; nil: all
	changed bool    // a line was left out for its value, or added
	refused []int32 // which of the lines that were taken have their last good value
}

// scatter lays the incarnation's last snapshot out by slot.
func (f *Fold) scatter(inc *Incarnation) {
	f.generation++
	for i, slot := range inc.slots {
		slot = f.target[slot]
		f.previous[slot], f.previousMark[slot] = inc.last[i], f.generation
	}
}

// takeLines keeps each line once, with a value that can count.
func (c *commit) takeLines() {
	st, n := c.st, 0
	for i, slot := range st.slots {
		if c.mark[slot] == c.generation {
			c.leave(n)
			c.note(&c.report.Duplicates, slot)
			continue
		}
		v, ok := c.good(slot, st.values[i], n)
		if !ok {
			c.leave(n)
			c.changed = true
			continue
		}
		if c.kept != nil {
			c.kept = append(c.kept, int32(i))
		}
		c.mark[slot] = c.generation
		st.slots[n], st.values[n] = slot, v
		c.see(slot, v, n)
		n++
	}
	st.slots, st.values = st.slots[:n], st.values[:n]
}

// leave notes that a line of the page is left out, after n that were taken.
func (c *commit) leave(n int) {
	if c.kept != nil {
		return
	}
	if c.raw == nil {
		c.raw = slices.Clone(c.st.slots)
	}
	c.kept = make([]int32, 0, c.read)
	for at := range n {
		c.kept = append(c.kept, int32(at))
	}
}

// note counts what was not taken.
func (c *commit) note(counter *int, slot Slot) {
	*counter++
	if c.report.First == "" {
		c.report.First = c.lines[slot].name()
	}
}

// good gives the value that counts: the last good one where a cumulative value is NaN, infinite or negative. at is the
// place where the line is taken.
func (c *commit) good(slot Slot, v float64, at int) (float64, bool) {
	if v >= 0 && v <= math.MaxFloat64 {
		return v, true
	}
	had := c.previousMark[slot] == c.generation
	switch {
	case c.fallIsReset(slot):
		c.note(&c.report.BadValues, slot)
		if had {
			c.refused = append(c.refused, int32(at))
		}
		return c.previous[slot], had
	case c.lines[slot].part == exposition.PartSum && c.class[slot] == classSum && !finite(v):
		if had && finite(c.previous[slot]) {
			c.inc.goodSum[slot] = c.previous[slot]
		}
		c.note(&c.report.BadValues, slot)
	}
	return v, true
}

// fallIsReset tells whether the line only grows within a life. A sum may fall lawfully.
func (f *Fold) fallIsReset(slot Slot) bool {
	l := &f.lines[slot]
	switch l.part {
	case exposition.PartValue, exposition.PartBucket, exposition.PartCount:
		target := &f.lines[f.target[slot]]
		return target.variant.cumulative()
	default:
		return false
	}
}

// see looks at one taken line: a fall, a part of a histogram, a value that makes an info a gauge, a hint.
func (c *commit) see(slot Slot, v float64, at int) {
	t := &c.traits[slot]
	if t.is&traitHistogram != 0 {
		c.seeHistogram(t, v, at)
	}
	if t.is&(traitInfo|traitHint) != 0 {
		c.seeValue(slot, t, v)
	}
	if c.previousMark[slot] != c.generation || !(v < c.previous[slot]) || !c.fallIsReset(slot) {
		return
	}
	c.report.Falls++
	if s := c.lines[slot].series; s.multi() {
		c.markReset(s)
		return
	}
	c.inc.leave(slot, c.previous[slot])
	c.report.Resets++
}

// seeValue looks for a hint that changed, and for a value that makes an info a gauge.
func (c *commit) seeValue(slot Slot, t *trait, v float64) {
	if fam := c.numbered[t.variant].family; t.is&traitInfo != 0 && v != 1 {
		c.layout = c.layout && (fam.notInfo || c.class[slot] != classInfo)
		fam.notInfo, fam.oddAt = true, c.now
	}
	c.hints = c.hints || t.is&traitHint != 0 && c.previousMark[slot] == c.generation && c.previous[slot] != v
}
