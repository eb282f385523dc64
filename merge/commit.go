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
	f.decideLayout()
	c := commit{Fold: f, st: st, inc: st.inc, now: now}
	f.scatter(st.inc)
	c.takeLines()
	c.completeHistograms()
	c.findRemoved()
	c.applyResets()
	c.rank()
	c.applyBase()
	c.swap()
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
	report     Report
}

// scatter lays the incarnation's last snapshot out by slot.
func (f *Fold) scatter(inc *Incarnation) {
	f.generation++
	for i, slot := range inc.slots {
		f.previous[slot], f.previousMark[slot] = inc.last[i], f.generation
	}
}

// takeLines keeps each line once, with a value that can count.
func (c *commit) takeLines() {
	st, n := c.st, 0
	for i, slot := range st.slots {
		if c.mark[slot] == c.generation {
			c.note(&c.report.Duplicates, slot)
			continue
		}
		v, ok := c.good(slot, st.values[i])
		if !ok {
			continue
		}
		c.mark[slot] = c.generation
		st.slots[n], st.values[n] = slot, v
		c.see(slot, v, n)
		n++
	}
	st.slots, st.values = st.slots[:n], st.values[:n]
}

// note counts what was not taken.
func (c *commit) note(counter *int, slot Slot) {
	*counter++
	if c.report.First == "" {
		c.report.First = c.lines[slot].name()
	}
}

// good gives the value that counts: the last good one where a cumulative value is NaN, infinite or negative.
func (c *commit) good(slot Slot, v float64) (float64, bool) {
	had := c.previousMark[slot] == c.generation
	switch {
	case c.fallIsReset(slot) && (math.IsNaN(v) || v < 0 || math.IsInf(v, 0)):
		c.note(&c.report.BadValues, slot)
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
	l := &c.lines[slot]
	s := l.series
	if l.part == exposition.PartBucket || l.part == exposition.PartCount && len(s.buckets) > 0 {
		c.seeHistogram(l, v, at)
	}
	if l.part == exposition.PartValue && v != 1 && !l.variant.family.notInfo {
		l.variant.family.notInfo = true
		c.layout = c.layout && c.class[slot] != classInfo
	}
	if c.previousMark[slot] != c.generation || !(v < c.previous[slot]) || !c.fallIsReset(slot) {
		return
	}
	if s.multi() {
		c.markReset(s)
		return
	}
	c.inc.offset.add(slot, c.previous[slot])
	c.report.Resets++
}

func (c *commit) markReset(s *series) {
	if s.reset != c.generation {
		s.reset = c.generation
		c.resets = append(c.resets, s)
	}
}

func (c *commit) seeHistogram(l *line, v float64, at int) {
	s := l.series
	if s.page != c.generation {
		s.page, s.hasInf, s.hasCnt, s.top, s.topAt = c.generation, false, false, math.Inf(-1), -1
		c.histograms = append(c.histograms, s)
	}
	switch {
	case l.part == exposition.PartCount:
		s.hasCnt, s.cnt, s.cntLine = true, v, at
	case math.IsInf(l.bound, 1):
		s.hasInf, s.inf = true, v
	case l.bound > s.top:
		s.top, s.topAt = l.bound, at
	}
}

// completeHistograms gives each histogram of the page a +Inf bucket and a count that are equal.
func (c *commit) completeHistograms() {
	for _, s := range c.histograms {
		if !s.hasInf {
			s.inf = c.implied(s)
			c.synthesize(s, exposition.PartBucket, math.Inf(1), s.inf)
		}
		switch {
		case !s.hasCnt:
			c.synthesize(s, exposition.PartCount, 0, s.inf)
		case s.cnt != s.inf:
			c.st.values[s.cntLine] = s.inf
			c.fellBack(s.count, s.inf)
		}
	}
}

// implied is the +Inf bucket of a page that lacks it.
func (c *commit) implied(s *series) float64 {
	if s.hasCnt {
		return s.cnt
	}
	if s.topAt >= 0 {
		return c.st.values[s.topAt]
	}
	return 0
}

// synthesize adds a line that the page lacks.
func (c *commit) synthesize(s *series, part exposition.Part, bound, v float64) {
	slot := c.slot(exposition.SeriesID{
		Family: s.variant.family.name, Type: s.variant.typ, Part: part, Bound: bound, Labels: s.labels,
	})
	c.decideLayout()
	c.mark[slot] = c.generation
	c.st.slots = append(c.st.slots, slot)
	c.st.values = append(c.st.values, v)
	c.fellBack(slot, v)
}

// fellBack marks a reset where a corrected line is below the last snapshot.
func (c *commit) fellBack(slot Slot, v float64) {
	if c.previousMark[slot] == c.generation && v < c.previous[slot] && c.fallIsReset(slot) {
		c.markReset(c.lines[slot].series)
	}
}

// findRemoved carries on what a cumulative line counted before the worker stopped to show it: if it comes back it
// begins anew.
func (c *commit) findRemoved() {
	for i, slot := range c.inc.slots {
		if c.mark[slot] == c.generation {
			continue
		}
		l := &c.lines[slot]
		switch {
		case l.series.multi() && l.part != exposition.PartCreated && l.part != exposition.PartQuantile:
			c.markReset(l.series)
		case c.fallIsReset(slot):
			c.inc.offset.add(slot, c.inc.last[i])
		}
	}
}

// applyResets moves what the series that began anew had counted to the incarnation's offset.
func (c *commit) applyResets() {
	for _, s := range c.resets {
		c.report.Resets++
		c.moveToOffset(s)
	}
}

// moveToOffset adds the last snapshot's part of a histogram or summary to the offset.
func (c *commit) moveToOffset(s *series) {
	had := func(slot Slot) bool { return slot != noSlot && c.previousMark[slot] == c.generation }
	below := 0.0
	for _, b := range s.buckets {
		if had(b.slot) {
			c.inc.offset.add(b.slot, c.previous[b.slot]-below)
			below = c.previous[b.slot]
		}
	}
	if had(s.count) {
		c.inc.offset.add(s.count, c.previous[s.count])
	}
	if had(s.sum) {
		c.inc.offset.add(s.sum, c.inc.lastSum(s.sum, c.previous[s.sum]))
	}
}

// lastSum is what a sum that may not be finite leaves behind.
func (inc *Incarnation) lastSum(slot Slot, v float64) float64 {
	if finite(v) {
		return v
	}
	return inc.goodSum[slot]
}

// applyBase takes away what was counted before by an incarnation whose first snapshot is its base.
func (c *commit) applyBase() {
	if !c.inc.base || c.inc.committed {
		return
	}
	c.contributions(c.st.slots, c.st.values, c.inc.lastSum, func(slot Slot, v float64) { c.inc.offset.add(slot, -v) })
}

// swap makes the stage the snapshot.
func (c *commit) swap() {
	inc, st := c.inc, c.st
	if !slices.Equal(inc.slots, st.slots) {
		c.learnVariants()
	}
	inc.slots, inc.last, inc.stamps, inc.metas = st.slots, st.values, st.stamps, st.metas
	inc.duplicates, inc.badValues = c.report.Duplicates, c.report.BadValues
	inc.firstBad = c.report.First
	inc.committed = true
}

// learnVariants notes which families the worker has.
func (c *commit) learnVariants() {
	c.inc.variants = map[*variant]struct{}{}
	for _, slot := range c.st.slots {
		c.inc.variants[c.lines[slot].variant] = struct{}{}
		c.known[c.target[slot]] = true
	}
	c.learnHints()
	c.layout, c.held = false, false
}
