package merge

import (
	"maps"
	"slices"
	"time"

	"github.com/fedscrape/fedscrape/exposition"
)

// freedSlot is a slot that is nobody's line any more.
type freedSlot struct {
	slot  Slot
	pages uint64 // how many pages were safe when it was freed
}

const (
	// restPages is how many pages must be safe before a freed slot becomes another line.
	restPages = 4
	// pendingRetention is how long a series of pages that never ended well is waited for.
	pendingRetention = 10 * time.Minute
	// fewFreed lines are not worth that the caller learns all lines anew.
	fewFreed = 64
)

// freeSlot gives a slot that nobody names, a new one where there is none.
func (f *Fold) freeSlot() Slot {
	if len(f.freed) > 0 && f.pages >= f.freed[0].pages+restPages {
		slot := f.freed[0].slot
		f.freed = f.freed[1:]
		return slot
	}
	f.appendLine(line{})
	return Slot(len(f.lines) - 1)
}

// Compact lets go of the lines that nobody has and that left nothing, where there are many, so that labels that come
// and go cost no memory for ever. Where it is true, the slots that the caller has learnt do not hold any more: it
// needs a new exposition.Table before the next Stage, and stages that began before may be Stale.
func (f *Fold) Compact(now time.Time) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.see(now)
	f.decideLayout()
	f.countHolders()
	f.dropExtremes(now)
	f.markNamed()
	gone, bounds, n := f.outdated(now)
	f.reshape() // it may have found bounds that nobody has
	if n == 0 || n < min(f.fewFreed, 1+len(f.lines)/16) {
		return false
	}
	f.compactions++
	for _, s := range gone {
		s.slots(f.free)
	}
	for _, b := range bounds {
		f.dropBound(b)
	}
	f.removeSeries(gone)
	f.forgetSlots()
	f.layout, f.held, f.full = false, false, false
	return true
}

// dropExtremes lets go what is older than departed_retention.
func (f *Fold) dropExtremes(now time.Time) {
	n := len(f.extremes)
	maps.DeleteFunc(f.extremes, func(slot Slot, e *extremes) bool {
		_, _, ok := e.over(f.elapsed(now), false)
		return !ok && !f.lines[slot].variant.family.forever
	})
	if len(f.extremes) < n {
		f.changed()
	}
}

// markNamed marks the slots that an incarnation or what folded ones left names.
func (f *Fold) markNamed() {
	f.generation++
	mark := func(slot Slot) {
		f.mark[slot], f.mark[f.target[slot]] = f.generation, f.generation
	}
	for _, inc := range f.incarnations {
		for _, slot := range inc.slots {
			mark(slot)
		}
		for _, raw := range inc.untyped {
			mark(raw)
		}
		for _, slot := range inc.offset.slots {
			mark(slot)
		}
	}
	for _, d := range f.departedAll {
		for _, slot := range d.slots {
			mark(slot)
		}
	}
	for slot := range f.recent {
		mark(slot)
	}
	for slot := range f.extremes {
		mark(slot)
	}
}

// oldBound is a bound that no worker has any more, of a histogram that present workers have with other bounds.
type oldBound struct {
	series *series
	at     int
}

// outdated finds the series, and of those that stay the bounds, that can go, and counts their lines.
func (f *Fold) outdated(now time.Time) (gone []*series, bounds []oldBound, n int) {
	for _, fam := range f.families {
		for _, v := range fam.variants {
			for _, s := range v.series {
				if f.isOutdated(s, now) {
					gone = append(gone, s)
					s.slots(func(Slot) { n++ })
				} else {
					bounds = f.oldBounds(bounds, s, now)
				}
			}
		}
	}
	return gone, bounds, n + len(bounds)
}

func (f *Fold) isOutdated(s *series, now time.Time) bool {
	if s.pending && !s.givenUp(now) {
		return false
	}
	left := false
	cumulative := s.variant.shown() && s.variant.cumulative()
	s.slots(func(slot Slot) {
		left = left || f.mark[slot] == f.generation || cumulative && f.known[slot] || !f.ledger[slot].isZero() || f.folded[slot]
	})
	return !left
}

// givenUp tells whether no page that has the series ended well for long.
func (s *series) givenUp(now time.Time) bool {
	if s.since.IsZero() {
		s.since = now
	}
	return now.Sub(s.since) > pendingRetention
}

// shown tells whether it is the type of its family that is shown.
func (v *variant) shown() bool { return v.typ == v.family.winner }

// oldBounds finds, from the highest down, the bounds that nobody had for series_retention.
func (f *Fold) oldBounds(list []oldBound, s *series, now time.Time) []oldBound {
	if s.variant.typ != exposition.Histogram || len(s.buckets) < 2 || f.holdersPresent[s.infSlot()] == 0 {
		return list
	}
	for at := len(s.buckets) - 2; at >= 0; at-- {
		slot := s.buckets[at].slot
		if f.mark[slot] == f.generation {
			delete(s.bare, slot)
			continue
		}
		since, has := s.bare[slot]
		if !has {
			if s.bare == nil {
				s.bare = map[Slot]time.Time{}
			}
			s.bare[slot] = now
		} else if now.Sub(since) > f.opts.SeriesRetention {
			list = append(list, oldBound{s, at})
		}
	}
	return list
}

// dropBound counts what folded incarnations left at a bound with the next higher one.
func (f *Fold) dropBound(b oldBound) {
	s, slot := b.series, b.series.buckets[b.at].slot
	f.ledger[s.buckets[b.at+1].slot].addSum(f.ledger[slot])
	f.free(slot)
	s.buckets = slices.Delete(s.buckets, b.at, b.at+1)
	delete(s.bare, slot)
	f.changed()
}

// free makes a slot nobody's line.
func (f *Fold) free(slot Slot) {
	f.lines[slot] = f.nobodysLine()
	f.ledger[slot], f.shown[slot], f.known[slot], f.folded[slot], f.isBucket[slot] = sum{}, 0, false, false, false
	f.dropExemplar(slot)
	f.beginLife(slot)
	f.freed = append(f.freed, freedSlot{slot, f.pages})
}

// inUse is how many slots are somebody's line.
func (f *Fold) inUse() int { return len(f.lines) - len(f.freed) }

func (f *Fold) nobodysLine() line {
	return line{variant: f.nobody.variant, series: f.nobody, part: exposition.PartCreated}
}

// removeSeries takes series whose lines are freed out of their families, and those out of the fold that have none
// any more.
func (f *Fold) removeSeries(gone []*series) {
	set := make(map[*series]bool, len(gone))
	for _, s := range gone {
		set[s] = true
	}
	for name, fam := range f.families {
		for typ, v := range fam.variants {
			maps.DeleteFunc(v.byLabels, func(_ string, s *series) bool { return set[s] })
			if v.series = slices.DeleteFunc(v.series, func(s *series) bool { return set[s] }); len(v.series) == 0 {
				delete(fam.variants, typ)
			}
		}
		if len(fam.variants) == 0 {
			delete(f.families, name)
			f.ordered = false
		}
	}
	f.hidden = slices.DeleteFunc(f.hidden, func(s *series) bool { return set[s] })
	maps.DeleteFunc(f.metas, func(name string, _ *meta) bool { return f.families[name] == nil })
	n := len(f.hints)
	maps.DeleteFunc(f.hints, func(name string, _ Mode) bool { return f.families[name] == nil })
	if f.metaBytes = nil; len(f.hints) < n {
		f.changed()
	}
}

// forgetSlots takes freed slots out of what incarnations remember of lines that they do not have any more.
func (f *Fold) forgetSlots() {
	isFree := func(slot Slot) bool { return f.lines[slot].series == f.nobody }
	for _, inc := range f.incarnations {
		maps.DeleteFunc(inc.ranks, func(slot Slot, _ rank) bool { return isFree(slot) })
		maps.DeleteFunc(inc.goodSum, func(slot Slot, _ float64) bool { return isFree(slot) })
		maps.DeleteFunc(inc.labels, func(slot Slot, _ exposition.Labels) bool { return isFree(slot) })
	}
	f.gauges = gauges{}
}

// Stale tells whether a page has lines that Compact let go since it began, or that its reader had learnt before. What
// it says of them cannot be told any more: nothing else may be asked of the stage, and Commit refuses it.
func (f *Fold) Stale(st *Stage) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.stale(st)
}

func (f *Fold) stale(st *Stage) bool {
	if f.compactions == 0 || !st.diverged && st.inc.present && st.expected == st.inc.order {
		return false // what a present worker's snapshot has is not let go
	}
	st.own()
	return slices.ContainsFunc(st.slots, func(slot Slot) bool {
		return f.lines[slot].series == f.nobody || f.lines[slot].made > st.made
	})
}
