package merge

import (
	"slices"
	"time"

	"github.com/fedscrape/fedscrape/exposition"
)

// Series is how many series somebody has, or had not longer ago than retention.
func (f *Fold) Series() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.decideLayout()
	f.countHolders()
	return f.series
}

// Refused is how often series_limit was at work: lines that were refused, and ledger-only series that were let go.
func (f *Fold) Refused() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.refused
}

// seriesOf gives the series of a line; nil where it is not known. The keyBuffer has the key of its labels then.
func (f *Fold) seriesOf(id exposition.SeriesID) *series {
	f.keyBuffer = exposition.AppendLabelsKey(f.keyBuffer[:0], id.Labels)
	if fam := f.families[id.Family]; fam != nil && fam.variants[id.Type] != nil {
		return fam.variants[id.Type].byLabels[string(f.keyBuffer)]
	}
	return nil
}

// countedSeries makes the series that seriesOf did not find, and counts it; nil where there are series_limit of them.
func (f *Fold) countedSeries(id exposition.SeriesID) *series {
	if f.overLimit() {
		return nil
	}
	f.series++
	return f.makeSeries(id)
}

// makeSeries makes the series that seriesOf did not find.
func (f *Fold) makeSeries(id exposition.SeriesID) *series {
	v := f.variantOf(id)
	s := newSeries(v, slices.Clone(id.Labels))
	s.since = f.asOf
	if n := len(v.series); n > 0 && len(v.series[n-1].buckets) > 0 { // as many as its sibling has, mostly
		s.buckets = make([]boundSlot, 0, len(v.series[n-1].buckets))
	}
	v.byLabels[string(f.keyBuffer)] = s
	v.series = append(v.series, s)
	v.sorted = false
	return s
}

// variantOf gives the family as the type, a new one where it is not known.
func (f *Fold) variantOf(id exposition.SeriesID) *variant {
	fam := f.families[id.Family]
	if fam == nil {
		fam = &family{name: id.Family, variants: map[exposition.Type]*variant{}}
		f.families[id.Family] = fam
		f.ordered = false
	}
	v := fam.variants[id.Type]
	if v == nil {
		v = &variant{family: fam, typ: id.Type, byLabels: map[string]*series{}}
		fam.variants[id.Type] = v
	}
	return v
}

func (f *Fold) overLimit() bool { return f.opts.SeriesLimit > 0 && f.series >= f.opts.SeriesLimit }

// makeRoom lets, where a line of a new series comes at series_limit, the series go that only the ledger has, the
// oldest first. It takes some at once, so that a page of new series does not pay for each.
func (f *Fold) makeRoom(id exposition.SeriesID) {
	if !f.overLimit() || f.held && f.full {
		return
	}
	if f.seriesOf(id) != nil {
		return
	}
	f.decideLayout()
	f.countHolders() // may find that there is room
	if f.full = false; !f.overLimit() {
		return
	}
	gone := f.ledgerOnly()
	slices.SortFunc(gone, func(a, b *series) int { return f.lastHeldOf(a).Compare(f.lastHeldOf(b)) })
	gone = gone[:min(len(gone), 1+f.opts.SeriesLimit/64)]
	f.refused += len(gone)
	f.forget(gone)
	f.decideLayout()
	f.countHolders()
	f.full = len(gone) == 0
}

// ledgerOnly gives the cumulative series that no present worker has.
func (f *Fold) ledgerOnly() (list []*series) {
	for _, fam := range f.inOrder() {
		v := fam.variants[fam.winner]
		if v == nil || !v.cumulative() {
			continue
		}
		for _, s := range v.ordered() {
			if main := s.main(); main != noSlot && f.known[main] && f.holdersPresent[main] == 0 && !s.pending {
				list = append(list, s)
			}
		}
	}
	return list
}

// countSeries leaves out what has expired: a renamed metric makes room when its retention is over.
func (f *Fold) countSeries() {
	f.series, f.recount = 0, time.Time{}
	for _, fam := range f.families {
		for _, v := range fam.variants {
			for _, s := range v.series {
				if s.pending && f.waitsFor(s) || !s.pending && f.lives(s) {
					f.series++
				}
			}
		}
	}
}

// waitsFor tells whether a page that has the pending series may still end well.
func (f *Fold) waitsFor(s *series) bool {
	if s.givenUp(f.asOf) {
		return false
	}
	if until := s.since.Add(pendingRetention); f.recount.IsZero() || until.Before(f.recount) {
		f.recount = until
	}
	return true
}

// lives tells whether somebody has a line of the series, or had it and left something.
func (f *Fold) lives(s *series) (yes bool) {
	cumulative := s.variant.shown() && s.variant.cumulative()
	s.slots(func(slot Slot) {
		yes = yes || f.holders[slot] > 0 || cumulative && f.known[slot] || !f.ledger[slot].isZero() || f.folded[slot] ||
			f.recent[slot] != recent{} || f.extremes[slot] != nil
	})
	return yes
}
