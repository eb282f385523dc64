package merge

import "time"

// expire forgets cumulative series that no present worker has had for series_retention.
func (f *Fold) expire(now time.Time) {
	var gone []*series
	for _, fam := range f.families {
		v := fam.variants[fam.winner]
		if v == nil || !v.cumulative() {
			continue
		}
		for _, s := range v.series {
			if f.outlived(s, now) {
				gone = append(gone, s)
			}
		}
	}
	f.forget(gone)
	f.decideLayout()
	f.countHolders()
}

// outlived tells whether a series is shown, but nobody has had it for too long.
func (f *Fold) outlived(s *series, now time.Time) bool {
	main := s.main()
	if main == noSlot || !f.known[main] {
		return false
	}
	if f.holdersPresent[main] > 0 || s.lastHeld.IsZero() {
		s.lastHeld = now
	}
	return now.Sub(s.lastHeld) > f.opts.SeriesRetention
}

// forget lets series go with their part of the ledger; one that comes back is a new series.
func (f *Fold) forget(gone []*series) {
	f.zero(gone)
	f.layout = f.layout && len(gone) == 0
	for _, s := range gone {
		s.lastHeld = time.Time{}
		s.slots(func(slot Slot) { f.known[slot] = false })
	}
}
