package merge

import (
	"maps"
	"math"
	"slices"
	"time"

	"github.com/fedscrape/fedscrape/exposition"
)

// Depart takes a present incarnation away. What it counted stays: folded at once where it is certain that it will
// not come back (it said goodbye or was replaced), else kept apart so that Return can undo it. It gives those that were kept apart
// and are folded now, as there are too many.
func (f *Fold) Depart(inc *Incarnation, now time.Time, certain bool) (surplus []*Incarnation) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !inc.present {
		return nil
	}
	f.see(now)
	f.decideLayout()
	inc.present, inc.up, inc.departedAt = false, false, now
	f.disown(inc)
	inc.order = nil // it would keep the table that its lines were read by
	inc.moves++
	f.changed()
	maps.Copy(f.hints, inc.hints)
	f.leaveMetas(inc.metas)
	f.moved(inc)
	if certain {
		f.fold(inc, now)
	}
	return f.foldSurplus(now)
}

// Return makes a kept departed incarnation present again: its part leaves the ledger.
func (f *Fold) Return(inc *Incarnation) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if inc.present || !slices.Contains(f.incarnations, inc) {
		return false
	}
	inc.present = true
	inc.moves++
	f.moved(inc)
	return true
}

// Kept is how many departed incarnations are kept apart.
func (f *Fold) Kept() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.incarnations) - len(f.present())
}

// FoldExpired folds the departed incarnations whose retention is over, and gives their keys.
func (f *Fold) FoldExpired(now time.Time) (keys []string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.see(now)
	f.decideLayout()
	for _, inc := range slices.Clone(f.incarnations) {
		if !inc.present && now.Sub(inc.departedAt) > f.opts.DepartedRetention {
			keys = append(keys, inc.Key)
			f.fold(inc, now)
		}
	}
	return keys
}

// foldSurplus folds the oldest departures over departed_limit, and gives them.
func (f *Fold) foldSurplus(now time.Time) (surplus []*Incarnation) {
	for {
		var oldest *Incarnation
		n := 0
		for _, inc := range f.incarnations {
			if inc.present {
				continue
			}
			n++
			if oldest == nil || inc.departedAt.Before(oldest.departedAt) {
				oldest = inc
			}
		}
		if n <= f.opts.DepartedLimit {
			return surplus
		}
		f.fold(oldest, now)
		surplus = append(surplus, oldest)
	}
}

// fold adds a departed incarnation to the ledger for good.
func (f *Fold) fold(inc *Incarnation, now time.Time) {
	f.foldStarts(inc)
	f.foldGauges(inc, now)
	f.contributions(inc.slots, inc.last, inc.lastSum, func(slot Slot, v float64) { f.ledger[slot].add(v) })
	for i, slot := range inc.offset.slots {
		f.ledger[f.target[slot]].addSum(inc.offset.at(i))
	}
	f.dismiss(inc)
	f.moved(inc)
	f.changed()
}

// dismiss forgets an incarnation. Hundreds go at once in a deploy, mostly the first of the list.
func (f *Fold) dismiss(inc *Incarnation) {
	if i := slices.Index(f.incarnations, inc); i >= 0 {
		f.incarnations = slices.Delete(f.incarnations, i, i+1)
	}
}

// contributions calls emit with what a page counted on each line that counts, buckets between neighbouring bounds.
func (f *Fold) contributions(slots []Slot, values []float64, finiteSum func(Slot, float64) float64, emit func(Slot, float64)) {
	f.contributionsOf(f.counts, slots, values, finiteSum, emit)
}

func (f *Fold) contributionsOf(which func(Slot) bool, slots []Slot, values []float64, finiteSum func(Slot, float64) float64, emit func(Slot, float64)) {
	f.generation++
	for i, slot := range slots {
		slot = f.target[slot]
		f.previous[slot], f.previousMark[slot] = values[i], f.generation
	}
	for i, raw := range slots {
		slot := f.target[raw]
		l := &f.lines[slot]
		if !which(slot) {
			continue
		}
		switch l.part {
		case exposition.PartBucket:
			if math.IsInf(l.bound, 1) {
				f.betweenBounds(l.series, emit)
			}
		case exposition.PartSum:
			emit(slot, finiteSum(raw, values[i]))
		default:
			emit(slot, values[i])
		}
	}
}

// betweenBounds emits the counts between the bounds that the scattered page has.
func (f *Fold) betweenBounds(s *series, emit func(Slot, float64)) {
	below := 0.0
	for _, b := range s.buckets {
		if f.previousMark[b.slot] == f.generation {
			emit(b.slot, f.previous[b.slot]-below)
			below = f.previous[b.slot]
		}
	}
}

// foldGauges keeps what departed workers' gauges still say under their modes.
func (f *Fold) foldGauges(inc *Incarnation, now time.Time) {
	var all departedID
	for i, raw := range inc.slots {
		slot, v := f.target[raw], inc.last[i]
		if f.class[slot] != classGauge {
			continue
		}
		switch f.lines[slot].variant.family.mode {
		case ModeSum:
			if finite(v) { // one worker's Inf or NaN would be the instance's for ever
				f.ledger[slot].add(v)
				f.folded[slot] = true
			}
		case ModeMostRecent:
			if old, ok := f.recent[slot]; !ok || inc.rankOf(raw, v).above(old.rank) {
				f.recent[slot] = recent{v, inc.rankOf(raw, v)}
			}
		case ModeMin, ModeMax, modeForever:
			f.extremesOf(slot).add(f.elapsed(inc.departedAt), f.opts.DepartedRetention, v)
		case ModeAll:
			all.slots = append(all.slots, slot)
			all.values = append(all.values, v)
		default: // live modes end with the worker; an average needs all of its workers
		}
	}
	if all.at = inc.departedAt; len(all.slots) > 0 && now.Sub(all.at) <= f.opts.DepartedGauges {
		f.keepAll(inc.WorkerID, &all)
	}
}

func (f *Fold) extremesOf(slot Slot) *extremes {
	e := f.extremes[slot]
	if e == nil {
		e = &extremes{forever: span{min: math.NaN(), max: math.NaN()}}
		f.extremes[slot] = e
	}
	return e
}

// Keeps tells whether the incarnation is present or kept apart, so that Return can bring it back.
func (f *Fold) Keeps(inc *Incarnation) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Contains(f.incarnations, inc)
}

// Remove takes an incarnation away that turned out to be another's double. What it counted goes with it.
func (f *Fold) Remove(inc *Incarnation) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.dismiss(inc)
	inc.present, inc.ahead = false, 0
	f.disown(inc)
	f.layout, f.held = false, false
	f.changed()
}
