package merge

import "time"

// expire forgets cumulative series that no present worker has had for series_retention.
func (f *Fold) expire(now time.Time) {
	var gone []*series
	f.heldAt = now
	for _, s := range f.unheld {
		if s.lastHeld.IsZero() {
			s.lastHeld = now
		}
		if now.Sub(s.lastHeld) > f.opts.SeriesRetention {
			gone = append(gone, s)
		}
	}
	f.forget(gone)
	f.decideLayout()
	f.countHolders()
}

// wasHeld tells whether a present worker had the series when holders were counted last.
func (f *Fold) wasHeld(s *series) bool {
	main := s.main()
	return main != noSlot && int(main) < len(f.holdersPresent) && f.holdersPresent[main] > 0
}

// noteHeld is called before holders are counted anew: so far, the series that were held then are.
func (f *Fold) noteHeld() {
	f.eachShown(func(s *series) {
		if f.wasHeld(s) {
			s.lastHeld = f.heldAt
		}
	})
}

// findUnheld finds the series that are shown although no present worker has them.
func (f *Fold) findUnheld() {
	clear(f.unheld) // what Compact has let go is not held here
	f.unheld = f.unheld[:0]
	f.eachShown(func(s *series) {
		if f.shows(s) && !f.wasHeld(s) {
			f.unheld = append(f.unheld, s)
		}
	})
}

// eachShown visits the cumulative series of the types that are shown.
func (f *Fold) eachShown(visit func(*series)) {
	for _, fam := range f.families {
		if v := fam.variants[fam.winner]; v != nil && v.cumulative() {
			for _, s := range v.series {
				visit(s)
			}
		}
	}
}

// lastHeldOf tells when a present worker had a series last, as far as Render has seen.
func (f *Fold) lastHeldOf(s *series) time.Time {
	if s.variant.shown() && s.variant.cumulative() && f.wasHeld(s) {
		return f.heldAt
	}
	return s.lastHeld
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
