package merge

import (
	"sync"

	"github.com/fedscrape/fedscrape/exposition"
)

// countHolders counts, where the layout or a worker's lines changed, who has each line, and finds the histograms
// whose workers disagree on bounds.
func (f *Fold) countHolders() {
	if f.held {
		if !f.recount.IsZero() && f.asOf.After(f.recount) {
			f.countSeries()
		}
		return
	}
	f.noteHeld()
	f.held = true
	f.reshape()
	var kept sync.WaitGroup
	kept.Go(f.sumKept) // beside it, as after a deploy both go through all that departed workers have, while the page is waited for
	f.findHolders()
	kept.Wait()
	f.findAllMixed()
	f.findUnheld()
	f.countSeries()
}

// findHolders counts who has each line. It neither reads nor writes what sumKept writes.
func (f *Fold) findHolders() {
	f.holders = zeroed(f.holders, len(f.lines))
	f.holdersPresent = zeroed(f.holdersPresent, len(f.lines))
	for _, inc := range f.incarnations {
		inc.apart = inc.apart[:0]
		for i, slot := range inc.slots {
			slot = f.target[slot]
			f.known[slot] = true
			f.holders[slot]++
			if inc.present {
				f.holdersPresent[slot]++
			} else if f.class[slot] == classGauge || f.class[slot] == classCreated {
				inc.apart = append(inc.apart, int32(i))
			}
		}
	}
}

// findAllMixed finds them anew.
func (f *Fold) findAllMixed() {
	clear(f.mixed)
	f.mixed = f.mixed[:0]
	for _, fam := range f.families {
		if v := fam.variants[fam.winner]; v != nil && (v.typ == exposition.Histogram || v.typ == exposition.GaugeHistogram) {
			f.findMixed(v)
		}
	}
}

func (f *Fold) findMixed(v *variant) {
	same, mixed := classSum, classMixed
	if v.typ == exposition.GaugeHistogram {
		same, mixed = classLiveSum, classLiveMixed
	}
	for _, s := range v.series {
		class := same
		for _, b := range s.buckets {
			if f.holders[b.slot] != f.holders[s.infSlot()] {
				class = mixed
			}
		}
		for _, b := range s.buckets {
			if f.class[b.slot] != class {
				f.class[b.slot] = class
				f.redefine()
			}
		}
		if class == mixed {
			f.mixed = append(f.mixed, s)
		}
	}
}
