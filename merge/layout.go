package merge

import (
	"maps"
	"slices"

	"github.com/fedscrape/fedscrape/exposition"
)

// decideLayout settles, where anything changed, which type of each family is shown, by which mode its gauges are
// merged, and so what the fold does with each line.
func (f *Fold) decideLayout() {
	if f.layout {
		return
	}
	f.layout, f.held = true, false
	f.redefine()
	f.extend()
	holders := f.holdersOf()
	for _, fam := range f.families {
		f.decideWinner(fam, holders)
		fam.mode, fam.modeFrom = f.decideMode(fam, fam.winner)
		fam.forever = fam.mode == modeForever
	}
	f.extend()
	for slot := range f.lines {
		f.target[slot] = Slot(slot)
	}
	f.joinUnknown()
	f.extend()
	for slot := range f.lines {
		f.class[slot] = f.classify(&f.lines[slot])
	}
	f.hideCollisions()
}

// moved says that an incarnation came, went or has other lines now. Who has them is counted anew; the layout only
// where the incarnation has a say in it: not where all agree on the types of its families, and it says no gauge modes.
func (f *Fold) moved(inc *Incarnation) {
	f.held, inc.ahead = false, 0
	f.layout = f.layout && len(inc.hints) == 0 && agreed(inc)
}

// agreed tells whether each family that the incarnation has is of one type, which was decided.
func agreed(inc *Incarnation) bool {
	for v := range inc.variants {
		typed := len(v.family.variants)
		if v.family.variants[exposition.Unknown] != nil {
			typed--
		}
		if typed > 1 || v.typ != exposition.Unknown && (!v.family.decided || v.family.winner != v.typ) {
			return false
		}
	}
	return true
}

// extend makes what is kept by slot as long as there are slots.
func (f *Fold) extend() {
	for n := len(f.target); n < len(f.lines); n++ {
		f.target = append(f.target, Slot(n))
		f.class = append(f.class, classSkip)
	}
}

// holdersOf gives the incarnations that have each variant, the oldest first; present ones before departed ones.
func (f *Fold) holdersOf() map[*variant][]*Incarnation {
	holders := map[*variant][]*Incarnation{}
	for _, present := range []bool{true, false} {
		for _, inc := range f.incarnations {
			if inc.present != present {
				continue
			}
			for v := range inc.variants {
				holders[v] = append(holders[v], inc)
			}
		}
	}
	return holders
}

// decideWinner lets the oldest present worker that gives the family a type decide. A departed one decides only where
// nobody else does, and what was decided stays where nobody has the family any more.
func (f *Fold) decideWinner(fam *family, holders map[*variant][]*Incarnation) {
	var best *variant
	var by *Incarnation
	for typ := range exposition.StateSet + 1 { // in this order: one page may give a name two types
		v := fam.variants[typ]
		if v == nil || typ == exposition.Unknown || len(holders[v]) == 0 {
			continue
		}
		if h := holders[v][0]; by == nil || h.present && !by.present || h.present == by.present && h.older(by) {
			best, by = v, h
		}
	}
	switch {
	case best == nil && !fam.decided:
		fam.winner = f.onlyType(fam)
	case best != nil && (by.present || !fam.decided):
		if fam.decided && fam.winner != best.typ {
			f.dropVariants(fam.variants[fam.winner], best)
		}
		fam.winner, fam.decided = best.typ, true
	}
}

// onlyType is for a family that nobody has committed yet.
func (f *Fold) onlyType(fam *family) exposition.Type {
	for typ := exposition.StateSet; typ > exposition.Unknown; typ-- {
		if fam.variants[typ] != nil {
			return typ
		}
	}
	return exposition.Unknown
}

// dropVariants forgets for good what a type contributed that loses its family, and what was left behind of the one that
// gets it, by resets and departures while it was left out. What present workers had as their base stays so.
func (f *Fold) dropVariants(loser, winner *variant) {
	list := slices.Clone(winner.series)
	if loser != nil {
		list = append(list, loser.series...)
	}
	keep := f.bases(list)
	f.forget(list)
	for inc, bases := range keep {
		for slot, v := range bases {
			inc.offset.addSum(slot, v)
		}
	}
	for _, inc := range f.incarnations {
		for _, slot := range inc.slots {
			f.known[f.target[slot]] = true // it has it still
		}
	}
}

// bases gives what present workers have as their base of some series, where it is not in a reset's part already.
func (f *Fold) bases(list []*series) map[*Incarnation]map[Slot]sum {
	of := map[*series]bool{}
	for _, s := range list {
		of[s] = true
	}
	keep := map[*Incarnation]map[Slot]sum{}
	for _, inc := range f.incarnations {
		if !inc.present || !inc.base {
			continue
		}
		keep[inc] = map[Slot]sum{}
		for i, slot := range inc.offset.slots {
			if v := inc.offset.at(i); v.hi < 0 && of[f.lines[f.target[slot]].series] {
				keep[inc][slot] = v
			}
		}
	}
	return keep
}

// zero forgets what the ledger and departed incarnations hold of some series, and what was shown of them. It takes
// them all at once: each incarnation is gone through only once.
func (f *Fold) zero(list []*series) {
	if len(list) == 0 {
		return
	}
	f.held = false
	f.generation++
	f.changed()
	for _, s := range list {
		s.start = startTime{}
		s.slots(func(slot Slot) {
			f.mark[slot] = f.generation
			f.beginLife(slot)
			f.ledger[slot], f.shown[slot], f.folded[slot] = sum{}, 0, false
			delete(f.recent, slot)
			delete(f.extremes, slot)
			f.dropExemplar(slot)
		})
	}
	for raw, slot := range f.target {
		if Slot(raw) != slot && f.mark[slot] == f.generation {
			f.beginLife(Slot(raw)) // what an untyped page said of it goes too
		}
	}
	gone := func(slot Slot) bool { return f.mark[slot] == f.generation || f.mark[f.target[slot]] == f.generation }
	for _, inc := range f.incarnations {
		inc.offset.drop(gone)
		maps.DeleteFunc(inc.parked, func(slot Slot, _ float64) bool { return gone(slot) })
		if !inc.present && inc.drop(gone) {
			f.learn(inc) // it has no say any more in the type of what it lost
		}
	}
}

// classify says what the fold does with a line.
func (f *Fold) classify(l *line) class {
	v := l.variant
	switch {
	case v.typ != v.family.winner || v.family.name == hintFamily:
		return classSkip
	case l.part == exposition.PartCreated:
		return classCreated
	case l.part == exposition.PartQuantile && f.opts.SummaryQuantiles == "all":
		return classQuantile
	case l.part == exposition.PartQuantile:
		return classDropped
	case v.typ == exposition.GaugeHistogram:
		return classLiveSum
	case v.cumulative():
		return classSum
	case v.typ == exposition.Info || v.family.mode == modeInfo:
		return classInfo
	case v.family.mode == ModeOmit:
		return classSkip
	default:
		return classGauge
	}
}

// hideCollisions hides the series of a family that would be printed twice: a counter `x_sum` with the labels of a
// histogram `x`. The family that is printed first keeps them, as Prometheus does.
func (f *Fold) hideCollisions() {
	for _, s := range f.hidden {
		s.hidden = false
	}
	f.hidden = f.hidden[:0]
	for _, fam := range f.families {
		if !multi(fam.winner) {
			continue
		}
		for _, suffix := range []string{"_bucket", "_sum", "_count"} {
			other := f.families[fam.name+suffix]
			if other == nil {
				continue
			}
			f.hide(other.variants[other.winner], fam.variants[fam.winner])
		}
	}
}

// hide leaves alone what is not printed anyway: an untyped line that counts for the other family, and what only a
// series that expired has in its way.
func (f *Fold) hide(v, by *variant) {
	if v == nil || by == nil {
		return
	}
	for key, s := range v.byLabels {
		other := by.byLabels[key]
		if other == nil || !f.shows(other) || s.value != noSlot && f.target[s.value] != s.value {
			continue
		}
		s.hidden = true
		f.hidden = append(f.hidden, s)
	}
}

func zeroed[T any](s []T, n int) []T {
	s = slices.Grow(s[:0], n)[:n]
	clear(s)
	return s
}
