package merge

import "time"

// expire forgets cumulative series that no present worker has had for series_retention.
func (f *Fold) expire(now time.Time) {
	for _, fam := range f.families {
		v := fam.variants[fam.winner]
		if v == nil || !v.cumulative() {
			continue
		}
		for _, s := range v.series {
			f.expireSeries(s, now)
		}
	}
	f.countHolders()
}

func (f *Fold) expireSeries(s *series, now time.Time) {
	main := s.main()
	switch {
	case main == noSlot || !f.known[main]:
	case f.holdersPresent[main] > 0 || s.lastHeld.IsZero():
		s.lastHeld = now
	case now.Sub(s.lastHeld) > f.opts.SeriesRetention:
		f.zero(s)
		s.lastHeld = time.Time{}
		s.slots(func(slot Slot) { f.known[slot] = false })
	}
}
