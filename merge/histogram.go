package merge

import (
	"math"

	"github.com/fedscrape/fedscrape/exposition"
)

// seeHistogram notes one line of a page's histogram.
func (c *commit) seeHistogram(t *trait, v float64, at int) {
	s := c.several[t.series]
	if s.page != c.generation {
		s.page, s.hasInf, s.hasCnt, s.top, s.topAt = c.generation, false, false, -1, -1
		c.histograms = append(c.histograms, s)
	}
	switch {
	case t.is&traitCount != 0:
		s.hasCnt, s.cnt, s.cntLine = true, v, at
	case t.is&traitInf != 0:
		s.hasInf, s.inf = true, v
	case t.rank > s.top:
		s.top, s.topAt = t.rank, at
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
	if c.extend(); !c.layout { // else it is known what it is, which may be a bound on which workers disagree
		c.class[slot] = c.classify(&c.lines[slot])
	}
	c.mark[slot] = c.generation
	c.changed = true
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
