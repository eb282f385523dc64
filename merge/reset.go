package merge

import "github.com/fedscrape/fedscrape/exposition"

func (c *commit) markReset(s *series) {
	if s.reset != c.generation {
		s.reset = c.generation
		c.resets = append(c.resets, s)
	}
}

// findRemoved carries on what a cumulative line counted before the worker stopped to show it: if it comes back it
// begins anew.
func (c *commit) findRemoved() {
	c.fallen = len(c.resets)
	for i, slot := range c.inc.slots {
		if c.mark[slot] == c.generation {
			continue
		}
		l := &c.lines[slot]
		switch {
		case l.series.multi() && l.part != exposition.PartCreated && l.part != exposition.PartQuantile:
			c.markReset(l.series)
		case c.fallIsReset(slot):
			c.leaveBehind(slot, c.inc.last[i], c.relabeled())
		}
	}
}

// applyResets moves what the series that began anew had counted to the incarnation's offset.
func (c *commit) applyResets() {
	for i, s := range c.resets {
		parks := i >= c.fallen && c.relabeled()
		if !parks {
			c.report.Resets++
			c.inc.forgetParked(s)
		}
		c.moveToOffset(s, parks)
	}
}

// moveToOffset adds the last snapshot's part of a histogram or summary to the offset.
func (c *commit) moveToOffset(s *series, parks bool) {
	had := func(slot Slot) bool { return slot != noSlot && c.previousMark[slot] == c.generation }
	below := 0.0
	for _, b := range s.buckets {
		if had(b.slot) {
			c.leaveBehind(b.slot, c.previous[b.slot]-below, parks)
			below = c.previous[b.slot]
		}
	}
	if had(s.count) {
		c.leaveBehind(s.count, c.previous[s.count], parks)
	}
	if had(s.sum) {
		c.leaveBehind(s.sum, c.inc.lastSum(s.sum, c.previous[s.sum]), parks)
	}
}

// lastSum is what a sum that may not be finite leaves behind.
func (inc *Incarnation) lastSum(slot Slot, v float64) float64 {
	if finite(v) {
		return v
	}
	return inc.goodSum[slot]
}

// applyBase takes away what was counted before by an incarnation whose first snapshot is its base. Which types count is
// decided with it.
func (c *commit) applyBase() {
	c.decideLayout()
	c.takeBase(c.inc)
}

// takeBase takes away what the incarnation's snapshot says: also of types that are left out, which may win later.
func (f *Fold) takeBase(inc *Incarnation) {
	cumulative := func(slot Slot) bool {
		l := &f.lines[slot]
		return l.variant.cumulative() && l.part != exposition.PartCreated && l.part != exposition.PartQuantile
	}
	f.contributionsOf(cumulative, inc.slots, inc.last, inc.lastSum, func(slot Slot, v float64) { inc.leave(slot, -v) })
}
