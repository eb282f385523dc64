package merge

import (
	"maps"
	"slices"
)

// swap makes the stage the snapshot.
func (c *commit) swap() {
	inc, st := c.inc, c.st
	same := slices.Equal(inc.slots, st.slots) && maps.Equal(inc.untyped, st.untyped)
	if inc.variants == nil || !same {
		c.learnVariants()
	}
	if c.report.Falls > 0 {
		c.report.Before = c.handOver(inc)
	}
	if !same || inc.order == nil || inc.order.lines != st.lines {
		c.common = min(len(st.slots), maxCommon)
		st.fit()
		inc.setLines(st.slots)
		inc.order = c.order()
	}
	if set := c.metaSetOf(st); set != inc.metas {
		inc.metas, c.metaBytes = set, nil
		c.reshape()
	}
	if inc.duplicates != c.report.Duplicates || inc.badValues != c.report.BadValues || inc.firstBad != c.report.First {
		c.reshape()
	}
	inc.untyped = st.untyped
	inc.stamps = st.stamps
	if c.hints {
		inc.hints, c.layout = c.hintsOf(inc.slots, st.values), false
	}
	inc.duplicates, inc.badValues, inc.firstBad = c.report.Duplicates, c.report.BadValues, c.report.First
	inc.committed, inc.rules = true, st.rules
	c.replaceLast(inc, st, c.report.Before != nil)
}

// fit gives the stage no more room than its lines need: it was made for as many as another worker had.
func (st *Stage) fit() {
	st.slots = fitted(st.slots)
	if st.lease == nil {
		st.values = fitted(st.values)
	}
}

func fitted[T any](list []T) []T {
	if cap(list) > len(list)+len(list)/2 {
		return slices.Clone(list)
	}
	return list
}

// order is what the next page is expected to repeat.
func (c *commit) order() *order {
	o := &order{slots: c.st.slots, raw: c.raw, lines: c.st.lines}
	switch {
	case c.changed || c.st.untyped != nil:
		if o.raw == nil {
			o.raw = o.slots[:c.read]
		}
	case c.kept == nil:
		o.raw = o.slots
	default:
		o.kept, o.duplicates, o.first = c.kept, c.report.Duplicates, c.report.First
	}
	return o
}

// learnVariants notes which families the worker has.
func (c *commit) learnVariants() {
	c.moved(c.inc)
	c.characterize() // anew where completing a histogram made a line
	c.inc.variants = map[*variant]struct{}{}
	last := int32(-1) // lines of a family stand together
	for _, slot := range c.st.slots {
		if target := c.target[slot]; !c.known[target] {
			c.known[target], c.layout = true, false // it may be in another family's way
		}
		if c.traits[slot].pending {
			c.settled(slot)
		}
		if len(c.st.untyped) > 0 {
			if raw, ok := c.st.untyped[slot]; ok {
				slot = raw
			}
		}
		if v := c.traits[slot].variant; v != last {
			c.inc.variants[c.numbered[v]], last = struct{}{}, v
		}
	}
	for _, raw := range c.st.untyped {
		c.settled(raw) // also where its value was refused: the page that has it was taken
	}
	c.inc.hints = c.hintsOf(c.st.slots, c.st.values)
	c.moved(c.inc)
}
