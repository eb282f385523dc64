package merge

import "math"

// main is the line that every contribution to the series has.
func (s *series) main() Slot {
	switch {
	case len(s.buckets) > 0:
		return s.infSlot()
	case s.count != noSlot:
		return s.count
	case s.sum != noSlot:
		return s.sum
	}
	return s.value
}

// addStart counts one contribution's start time.
func (f *Fold) addStart(slot Slot, v float64) {
	if v > 0 {
		f.startMin[slot] = math.Min(f.startMin[slot], v)
		f.startCount[slot]++
	}
}

// resetStarts prepares for addStart.
func (f *Fold) resetStarts() {
	f.startCount = zeroed(f.startCount, len(f.lines))
	f.startMin = zeroed(f.startMin, len(f.lines))
	for i := range f.startMin {
		f.startMin[i] = math.Inf(1)
	}
}

// startTime gives the series' start in Unix seconds, 0 where some contribution came without one. It is the earliest
// when the series is first shown, and never moves while the series lasts: a start time that moves forward is a
// counter reset to Prometheus, one that moves back counts everything twice.
func (f *Fold) startTime(s *series) float64 {
	st := &s.start
	if st.decided && st.seconds == 0 {
		return 0
	}
	if s.created == noSlot || st.ledgerLacks || f.startCount[s.created] < f.holders[s.main()] {
		st.decided, st.seconds = true, 0
		return 0
	}
	if !st.decided {
		st.decided, st.seconds = true, f.startMin[s.created]
		if st.ledger > 0 {
			st.seconds = math.Min(st.seconds, st.ledger)
		}
	}
	return st.seconds
}

// foldStarts notes whether what is folded had start times.
func (f *Fold) foldStarts(inc *Incarnation) {
	f.generation++
	for i, raw := range inc.slots {
		slot := f.target[raw]
		f.previous[slot], f.previousMark[slot] = inc.last[i], f.generation
	}
	for _, raw := range inc.slots {
		slot := f.target[raw]
		s := f.lines[slot].series
		if f.class[slot] != classSum && f.class[slot] != classMixed || s.main() != slot {
			continue
		}
		if s.created == noSlot || f.previousMark[s.created] != f.generation || !(f.previous[s.created] > 0) {
			s.start.ledgerLacks = true
		} else if v := f.previous[s.created]; s.start.ledger == 0 || v < s.start.ledger {
			s.start.ledger = v
		}
	}
}
