package merge

import (
	"math"

	"github.com/fedscrape/fedscrape/exposition"
)

// leave adds to what an incarnation counted before its own resets. Where f.kept holds, it has that too: adding up need not
// go through every incarnation's offsets.
func (inc *Incarnation) leave(slot Slot, v float64) {
	inc.offset.add(slot, v)
	inc.fold.keep(slot, v)
}

// keep adds to what adding up begins with. A line that is newer than that has it made anew.
func (f *Fold) keep(slot Slot, v float64) {
	switch slot = f.target[slot]; {
	case !f.held:
	case int(slot) >= len(f.kept):
		f.held = false
	case f.isBucket[slot]:
		f.between[slot].add(v)
	default:
		f.kept[slot].add(v)
	}
}

// sumKept adds up what does not change with each page: the ledger, the kept departed incarnations, and what present ones
// counted before their own resets.
func (f *Fold) sumKept() {
	f.characterize()
	f.kept = zeroed(f.kept, len(f.lines))
	f.between = zeroed(f.between, len(f.lines))
	for slot, v := range f.ledger {
		f.addKept(Slot(slot), v)
	}
	for _, inc := range f.incarnations {
		if !inc.present {
			f.addLeft(inc)
		}
		for i, slot := range inc.offset.slots {
			f.addKept(f.target[slot], inc.offset.at(i))
		}
	}
}

func (f *Fold) addKept(slot Slot, v sum) {
	if f.isBucket[slot] {
		f.between[slot].addSum(v)
	} else {
		f.kept[slot].addSum(v)
	}
}

// addLeft adds what contributions gives of a departed incarnation. After a deploy that is all workers at once, while the page
// is waited for: most lines are gone through by their traits.
func (f *Fold) addLeft(inc *Incarnation) {
	f.generation++
	f.ends = f.ends[:0]
	for i, slot := range inc.slots {
		t, v := &f.traits[slot], inc.last[i]
		switch {
		case t.is&(traitAdds|traitBucket|traitSum) == traitAdds:
			if s := &f.kept[slot]; !s.addWhole(v) {
				s.add(v)
			}
		case t.is&traitTotal == traitTotal:
			f.kept[slot].add(inc.lastSum(slot, v))
		case t.is&traitMoved != 0:
			f.addMoved(inc, slot, v)
		case t.is&traitBucket != 0 && f.counts(slot):
			f.leaveBucket(slot, v, t.is&traitInf != 0)
		}
	}
	for _, s := range f.ends {
		f.betweenBounds(s, func(slot Slot, v float64) { f.between[slot].add(v) })
	}
	clear(f.ends) // what Compact lets go is not held here
}

// addMoved adds a line that counts as another one.
func (f *Fold) addMoved(inc *Incarnation, raw Slot, v float64) {
	slot := f.target[raw]
	l := &f.lines[slot]
	switch {
	case !f.counts(slot):
	case l.part == exposition.PartBucket:
		f.leaveBucket(slot, v, math.IsInf(l.bound, 1))
	case l.part == exposition.PartSum:
		f.kept[slot].add(inc.lastSum(raw, v))
	default:
		f.kept[slot].add(v)
	}
}

// leaveBucket notes a bucket, of which what is between the bounds is added when all are noted.
func (f *Fold) leaveBucket(slot Slot, v float64, last bool) {
	if f.previous[slot], f.previousMark[slot] = v, f.generation; last {
		f.ends = append(f.ends, f.lines[slot].series)
	}
}

// counts tells whether the line is cumulative, and of the type that is shown.
func (f *Fold) counts(slot Slot) bool {
	return f.class[slot] == classSum || f.class[slot] == classMixed
}
