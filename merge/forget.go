package merge

import (
	"slices"
	"time"
)

// Forget lets go of the past on purpose: of the ledger, of departed incarnations, of offsets. What present workers
// say now, or first, is their base: counters go on from 0, which Prometheus sees as one reset and no burst. A start
// time that was shown moves to now, when they began to count.
func (f *Fold) Forget(now time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.incarnations = slices.DeleteFunc(f.incarnations, func(inc *Incarnation) bool { return !inc.present })
	f.layout, f.held = false, false
	f.decideLayout()
	for slot := range f.lines {
		f.ledger[slot], f.shown[slot], f.known[slot], f.folded[slot] = sum{}, 0, false, false
		f.beginLife(Slot(slot)) // what pages and records say from before does not count
	}
	f.forgotten = f.life
	f.see(now)
	f.changed()
	f.metaBytes = nil
	f.exemplars = nil
	clear(f.recent)
	clear(f.extremes)
	clear(f.departedAll)
	clear(f.hints)
	clear(f.metas)
	for _, inc := range f.incarnations {
		f.rebase(inc)
	}
	f.restart(now)
	f.layout, f.held, f.full = false, false, false
}

// rebase makes what the incarnation says now its base; where it has not said anything yet, what it says first.
func (f *Fold) rebase(inc *Incarnation) {
	inc.offset, inc.parked = sums{}, nil
	if inc.base = true; !inc.committed {
		return
	}
	f.takeBase(inc)
	for _, slot := range inc.slots {
		f.known[f.target[slot]] = true
	}
}

// restart moves start times to now. A series that went without one, because some contribution did, stays so: its
// readers have learned to do without. One that nobody has is a new series if it comes back.
func (f *Fold) restart(now time.Time) {
	for _, fam := range f.families {
		for _, v := range fam.variants {
			for _, s := range v.series {
				without := s.start.decided && s.start.seconds == 0
				s.lastHeld, s.start = time.Time{}, startTime{}
				if !f.shows(s) {
					continue
				}
				if s.start.decided = true; !without {
					s.start.seconds = float64(now.UnixMilli()) / 1000
				}
			}
		}
	}
}
