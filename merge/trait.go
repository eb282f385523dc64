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
	traitTotal                        // a sum of observations, which may fall
	traitWatched                      // a gauge whose value may change more than itself
	traitInfo                         // the same, while the family may be an info
	traitHint                         // the same, as it says a gauge mode
	traitAdds                         // is added up as it is
	traitGaugeAdds                    // the same, of a gauge
	traitGaugeEnds                    // the lowest or highest counts
	traitLive                         // of a gauge: only while the worker is up
	traitOther                        // counts, but is none of these
)

const (
	traitPart  = traitBucket | traitCount | traitSum
	traitGauge = traitGaugeAdds | traitGaugeEnds
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
	t := trait{variant: int32(len(f.numbered))}
	if fam := v.family; fam.mayBeInfo() {
		t.is = traitWatched | traitInfo
	} else if fam.name == hintFamily {
		t.is = traitWatched | traitHint
	} else if isRecent(fam.mode) {
		t.is = traitWatched
	}
	cumulative := v.cumulative()
	for _, s := range v.series {
		t.pending = s.pending
		if s.value != noSlot {
			f.characterizeLine(s.value, t, cumulative)
		}
		if s.sum != noSlot || s.count != noSlot || len(s.buckets) > 0 {
			f.characterizeParts(s, t, cumulative)
		}
		t := trait{variant: t.variant, pending: t.pending}
		if s.created != noSlot {
			f.characterizeLine(s.created, t, false)
		}
		for _, q := range s.quantiles {
			f.characterizeLine(q.slot, t, false)
		}
	}
}

func (f *Fold) characterizeParts(s *series, t trait, cumulative bool) {
	t.is, t.series = 0, int32(len(f.several))
	f.several = append(f.several, s)
	completed := s.variant.typ != exposition.Summary
	if s.sum != noSlot {
		u := t
		if u.is |= traitSum; f.class[s.sum] == classSum {
			u.is |= traitTotal
		}
		f.characterizeLine(s.sum, u, false)
	}
	if s.count != noSlot {
		u := t
		if u.is |= traitCount; completed {
			u.is |= traitHistogram
		}
		f.characterizeLine(s.count, u, cumulative)
	}
	t.is |= traitBucket | traitHistogram
	for i, b := range s.buckets {
		u := t
		if u.rank = int32(i); math.IsInf(b.bound, 1) {
			u.is |= traitInf
		}
		f.characterizeLine(b.slot, u, cumulative)
	}
}

// characterizeLine adds to a trait how the line counts.
func (f *Fold) characterizeLine(slot Slot, t trait, grows bool) {
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
