package merge

// A reload may drop lines by metric_relabel_configs, and a later one take them back, while the worker counts on. What
// such a line had goes to the offset, as if the worker had removed it, and is parked: the first page under other rules
// that has the line again, not below what is parked, goes on with the same life, and the parked part leaves the offset.
//
// What is parked is lost with the process: where the federator restarts in between, a line that is taken back counts
// on from the offset, as one that the worker removed.

// Relabeled says that stages from now on are read under other rules: lines that they lack were perhaps not removed by
// the worker.
func (f *Fold) Relabeled() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.rules++
}

// relabeled tells whether the page was read under other rules than the last snapshot.
func (c *commit) relabeled() bool { return c.st.rules != c.inc.rules }

// leaveBehind adds what a line had to the offset; parked, where it may be taken out again.
func (c *commit) leaveBehind(slot Slot, v float64, parks bool) {
	c.inc.leave(slot, v)
	if !parks {
		return
	}
	if c.inc.parked == nil {
		c.inc.parked = map[Slot]float64{}
	}
	c.inc.parked[slot] += v
}

// takeBack settles what is parked of lines that the page has again.
func (c *commit) takeBack() {
	if len(c.inc.parked) == 0 || !c.relabeled() && !c.returned() {
		return
	}
	values := make(map[Slot]float64, len(c.st.slots))
	for i, slot := range c.st.slots {
		values[slot] = c.st.values[i]
	}
	whole := map[*series]bool{}
	for slot, parked := range c.inc.parked {
		at := c.target[slot]
		v, has := values[at]
		switch s := c.lines[at].series; {
		case s.multi():
			whole[s] = true
		case has && v >= parked && c.relabeled():
			c.inc.keepParked(slot, 0)
		case has: // it began anew meanwhile, or the worker itself had removed it
			delete(c.inc.parked, slot)
		}
	}
	for s := range whole {
		c.takeBackSeries(s, values)
	}
}

// returned tells whether the page has a parked line.
func (c *commit) returned() bool {
	for slot := range c.inc.parked {
		if at := c.target[slot]; c.mark[at] == c.generation && c.previousMark[at] != c.generation {
			return true
		}
	}
	return false
}

// takeBackSeries takes the parked part of a histogram or summary out of the offset. Where the page lacks some bounds, be
// it that rules drop these lines alone, so much stays there, taken away again at the page's next bound, that no bucket
// falls because its line went; not more, as what the page has at its next lower bound is part of it.
func (c *commit) takeBackSeries(s *series, values map[Slot]float64) {
	if c.beganAnew(s, values) {
		c.inc.forgetParked(s)
		return
	}
	if s.reset != c.generation {
		c.moveToOffset(s, true) // what is known of a bound is part of what the last snapshot has, and of what is parked
	}
	known, level, more := 0.0, 0.0, 0.0 // of what is parked, of the page, and what stays
	for _, b := range s.buckets {
		known += c.inc.parked[b.slot]
		if v, has := values[b.slot]; has {
			c.inc.keepParked(b.slot, -more)
			level, more = v, 0
			continue
		}
		stays := max(0, known-level-more)
		c.inc.keepParked(b.slot, stays)
		more += stays
	}
	for _, slot := range []Slot{s.count, s.sum} {
		if _, has := values[slot]; has {
			c.inc.keepParked(slot, 0)
		}
	}
}

// beganAnew tells whether a parked series' page is of another life than what is parked: it is lower, or comes back
// although the rules are the same, so that the worker itself had removed it. A sum may fall lawfully: it decides only
// where there is no count.
func (c *commit) beganAnew(s *series, values map[Slot]float64) bool {
	if !c.relabeled() && !c.has(s, c.previousMark) {
		return c.has(s, c.mark)
	}
	below := func(slot Slot, parked float64) bool {
		v, has := values[slot]
		return has && v < parked
	}
	upTo := 0.0
	for _, b := range s.buckets {
		if upTo += c.inc.parked[b.slot]; below(b.slot, upTo) {
			return true
		}
	}
	if _, has := values[s.count]; has {
		return below(s.count, c.inc.parked[s.count])
	}
	return below(s.sum, c.inc.parked[s.sum])
}

// has tells whether some line of a series is marked.
func (c *commit) has(s *series, mark []uint64) (has bool) {
	s.slots(func(slot Slot) { has = has || mark[slot] == c.generation })
	return has
}

// keepParked takes what is parked out of the offset, but for some.
func (inc *Incarnation) keepParked(slot Slot, v float64) {
	parked, has := inc.parked[slot]
	if !has && v == 0 {
		return
	}
	inc.leave(slot, -parked)
	inc.leave(slot, v)
	if inc.parked[slot] = v; v == 0 {
		delete(inc.parked, slot)
	}
}

// forgetParked leaves the offset as it is.
func (inc *Incarnation) forgetParked(s *series) {
	s.slots(func(slot Slot) { delete(inc.parked, slot) })
}

// forgetFallen forgets what is parked of series that a page with the same lines as the last snapshot began anew.
func (f *Fold) forgetFallen(inc *Incarnation, before *Snapshot) {
	if before == nil || len(inc.parked) == 0 {
		return
	}
	for i, slot := range inc.slots {
		if inc.last[i] < before.last[i] && f.fallIsReset(slot) {
			inc.forgetParked(f.lines[slot].series)
		}
	}
}
