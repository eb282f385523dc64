package merge

import (
	"math"

	"github.com/fedscrape/fedscrape/exposition"
)

// render gives a family as it is shown, in memory that is used again.
func (f *Fold) render(fam *family) exposition.Family {
	out := exposition.Family{Name: fam.name, Type: fam.winner}
	v := fam.variants[fam.winner]
	if v == nil || fam.name == hintFamily {
		return out
	}
	if fam.metaShape != f.shape {
		fam.metaShape = f.shape
		fam.help, fam.unit = f.metaOf(fam.name)
	}
	out.Help, out.Unit = fam.help, fam.unit
	out.Series, f.buckets = f.rendered[:0], f.buckets[:0]
	for _, s := range v.ordered() {
		if !s.hidden {
			out.Series = f.renderSeries(out.Series, s)
		}
	}
	f.rendered = out.Series
	return out
}

func (f *Fold) renderSeries(dst []exposition.Series, s *series) []exposition.Series {
	switch {
	case s.variant.typ == exposition.GaugeHistogram:
		if len(s.buckets) > 0 && f.has[s.infSlot()] {
			dst = append(dst, f.renderHistogram(s))
		}
	case multi(s.variant.typ):
		dst = f.renderMulti(dst, s)
	case s.value == noSlot:
	case f.class[s.value] == classSum:
		if f.shows(s) {
			dst = append(dst, exposition.Series{
				Labels: s.labels, Value: f.rising(s.value, f.total[s.value].value()), Start: f.startTime(s),
				Exemplar: f.exemplarOf(s.value),
			})
		}
	case f.class[s.value] == classInfo:
		if f.has[s.value] {
			dst = append(dst, exposition.Series{Labels: s.labels, Value: 1})
		}
	case f.class[s.value] == classGauge:
		dst = f.renderGauge(dst, s)
	}
	return dst
}

// renderMulti gives a histogram or summary, and its quantiles where they are kept per worker.
func (f *Fold) renderMulti(dst []exposition.Series, s *series) []exposition.Series {
	if s.variant.typ == exposition.Summary {
		dst = f.renderQuantiles(dst, s)
	}
	if !f.shows(s) {
		return dst
	}
	out := f.renderHistogram(s)
	out.Start = f.startTime(s)
	if out.HasCount || out.HasSum || len(out.Buckets) > 0 {
		dst = append(dst, out)
	}
	return dst
}

// renderQuantiles gives a summary's quantiles per worker, with the worker label.
func (f *Fold) renderQuantiles(dst []exposition.Series, s *series) []exposition.Series {
	workers := map[*Incarnation]int{}
	for _, q := range s.quantiles {
		if g := f.gauges.of(q.slot); g != nil {
			for _, m := range g.all {
				at, ok := workers[m.inc]
				if !ok {
					at = len(dst)
					workers[m.inc] = at
					l := f.workerLabels(s, q.slot, m)
					dst = append(dst, exposition.Series{Labels: l})
				}
				dst[at].Quantiles = append(dst[at].Quantiles, exposition.Quantile{Quantile: q.bound, Value: m.value})
			}
		}
	}
	return dst
}

// renderHistogram gives buckets, sum and count as they are; of a summary there are no buckets.
func (f *Fold) renderHistogram(s *series) exposition.Series {
	out := exposition.Series{Labels: s.labels}
	f.renderBuckets(&out, s)
	if s.count != noSlot && f.known[s.count] {
		out.HasCount, out.Count = true, f.rising(s.count, f.total[s.count].value())
	}
	if len(out.Buckets) > 0 {
		out.HasCount, out.Count = true, out.Buckets[len(out.Buckets)-1].Count
	}
	if s.sum != noSlot && f.known[s.sum] {
		out.HasSum, out.Sum = true, f.rising(s.sum, f.total[s.sum].value())
	}
	return out
}

// renderBuckets gives the bounds that somebody has; those that only folded sums have where nobody has any.
func (f *Fold) renderBuckets(out *exposition.Series, s *series) {
	if len(s.buckets) == 0 {
		return
	}
	all := f.holders[s.infSlot()] == 0
	below, floor := sum{}, 0.0
	begin := len(f.buckets)
	for _, b := range s.buckets {
		below.addSum(f.betweenNow[b.slot])
		if !all && f.holders[b.slot] == 0 {
			continue
		}
		t := f.total[b.slot]
		t.addSum(below)
		floor = math.Max(floor, f.rising(b.slot, t.value()))
		f.buckets = append(f.buckets, exposition.Bucket{UpperBound: b.bound, Count: floor, Exemplar: f.exemplarOf(b.slot)})
	}
	out.Buckets = f.buckets[begin:len(f.buckets):len(f.buckets)]
}

// rising gives what to export of a cumulative line: never less than before by rounding alone.
func (f *Fold) rising(slot Slot, v float64) float64 {
	if shown := f.shown[slot]; v < shown && f.class[slot] != classLiveSum && f.class[slot] != classLiveMixed &&
		shown-v < math.Abs(shown)*1e-9 {
		return shown
	}
	f.shown[slot] = v
	return v
}

// shows tells whether a cumulative series is there: somebody has it, or had it not longer than series_retention ago.
func (f *Fold) shows(s *series) bool {
	main := s.main()
	return main != noSlot && f.known[main]
}
