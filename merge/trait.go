package merge

import (
	"math"

	"github.com/fedscrape/fedscrape/exposition"
)

// trait is what a line is to the fold, in as few bytes as can be: a page that comes for the first time, or in another order, is gone
// through line by line, and of all that lines, series and families are, too much would not be in the processor's caches.
type trait struct {
	is      traits
	pending bool  // of its series; false before that is
	variant int32 // by which number f.numbered has it
	series  int32 // the same of f.several, of one that has parts
	rank    int32 // of a bucket, among the bounds of its series
}

type traits uint16

const (
	traitGrows     traits = 1 << iota // a fall is a reset, and it counts as itself
	traitMoved                        // counts as another line
	traitBucket                       // part of a histogram or summary
	traitCount                        // the same
	traitSum                          // the same
	traitInf                          // the bucket without a bound
	traitHistogram                    // is to be completed where a page lacks its +Inf bucket or its count
	traitInfo                         // of a family that may be an info
	traitHint                         // says a gauge mode
	traitRecent                       // of a gauge of which the newest value counts
	traitAdds                         // is added up as it is
	traitGaugeAdds                    // the same, of a gauge
	traitGaugeEnds                    // the lowest or highest counts
	traitLive                         // of a gauge: only while the worker is up
	traitOther                        // counts, but is none of these
)

const (
	traitPart  = traitBucket | traitCount | traitSum
	traitGauge = traitGaugeAdds | traitGaugeEnds
	// traitTotal, both, is a sum of observations, which may fall.
	traitTotal = traitSum | traitAdds
	// traitWatched, any, is a value that may change more than itself.
	traitWatched = traitInfo | traitHint | traitRecent
)

// characterize notes what each line is, where that changed.
func (f *Fold) characterize() {
	if f.traitsFor == f.meaning {
		return
	}
	f.traitsFor = f.meaning
	f.traits = zeroed(f.traits, len(f.lines))
	clear(f.numbered) // what Compact has let go is not held here
	clear(f.several)
	f.numbered, f.several = f.numbered[:0], f.several[:0]
	for _, fam := range f.families {
		for _, v := range fam.variants {
			f.characterizeAll(v)
			f.numbered = append(f.numbered, v)
		}
	}
	f.blocks = zeroed(f.blocks, len(f.several))
}

// characterizeAll does so for the lines of a variant.
func (f *Fold) characterizeAll(v *variant) {
	watched, cumulative := watchedTrait(v.family), v.cumulative()
	for _, s := range v.series {
		t := trait{pending: s.pending, variant: int32(len(f.numbered))}
		if len(s.buckets) > 0 || s.sum != noSlot || s.count != noSlot {
			f.characterizeParts(s, t, cumulative)
		}
		f.characterizeLine(s.created, t, false)
		for _, q := range s.quantiles {
			f.characterizeLine(q.slot, t, false)
		}
		t.is = watched
		f.characterizeLine(s.value, t, cumulative)
	}
}

func watchedTrait(fam *family) traits {
	switch {
	case fam.mayBeInfo():
		return traitInfo
	case fam.name == hintFamily:
		return traitHint
	case isRecent(fam.mode):
		return traitRecent
	}
	return 0
}

func (f *Fold) characterizeParts(s *series, t trait, cumulative bool) {
	t.series = int32(len(f.several))
	f.several = append(f.several, s)
	t.is = traitSum
	f.characterizeLine(s.sum, t, false)
	if t.is = traitCount; s.variant.typ != exposition.Summary {
		t.is |= traitHistogram
	}
	f.characterizeLine(s.count, t, cumulative)
	for i, b := range s.buckets {
		t.is, t.rank = traitBucket|traitHistogram, int32(i)
		if math.IsInf(b.bound, 1) {
			t.is |= traitInf
		}
		f.characterizeLine(b.slot, t, cumulative)
	}
}

// characterizeLine notes a line's trait, with how it counts; the series may lack the line.
func (f *Fold) characterizeLine(slot Slot, t trait, grows bool) {
	if slot == noSlot {
		return
	}
	target := f.target[slot]
	if target != slot {
		t.is |= traitMoved
	} else if grows {
		t.is |= traitGrows
	}
	switch class := f.class[target]; {
	case class == classSkip || class == classDropped:
	case target == slot && class == classSum:
		t.is |= traitAdds
	case target == slot && class == classGauge:
		t.is |= gaugeTraits(f.lines[slot].variant.family.mode)
	default:
		t.is |= traitOther
	}
	f.traits[slot] = t
}

func gaugeTraits(m Mode) (is traits) {
	mode, live := m.live()
	switch mode {
	case ModeSum, ModeAvg:
		is = traitGaugeAdds
	case ModeMin, ModeMax, modeForever:
		is = traitGaugeEnds
	default:
		return traitOther
	}
	if live {
		is |= traitLive
	}
	return is
}

// settled is the series of a line, of which a page was taken.
func (f *Fold) settled(slot Slot) {
	f.lines[slot].series.pending = false
	f.traits[slot].pending = false
}

// alike gives where the lines end, from begin on, that are the same to the fold. Of those with parts that is one part, or buckets
// of one series in the order of their bounds: a page that has them otherwise is not taken the quick way.
func (f *Fold) alike(slots []Slot, begin int) (end int) {
	t := f.traits[slots[begin]]
	part := t.is&traitPart != 0
	for end = begin + 1; end < len(slots); end++ {
		u := &f.traits[slots[end]]
		if (u.is^t.is)&^traitInf != 0 || part && (u.series != t.series || u.rank <= t.rank) {
			break
		}
		t.rank = u.rank
	}
	return end
}
