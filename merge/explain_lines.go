package merge

import (
	"slices"
	"strings"

	"github.com/fedscrape/fedscrape/exposition"
)

// linesOf gives the lines of a family that its page shows, in their order; withName adds each line's own name.
func (f *Fold) linesOf(fam *family, wanted func(exposition.Part) bool, withName bool) (lines []explainedLine) {
	v := fam.variants[fam.winner]
	if v == nil {
		return nil
	}
	add := func(l explainedLine, part exposition.Part, name string) {
		if !wanted(part) {
			return
		}
		if withName {
			l.out.Labels = append(exposition.Labels{{Name: "__name__", Value: fam.name + name}}, l.out.Labels...)
		}
		lines = append(lines, l)
	}
	for _, s := range v.ordered() {
		switch {
		case s.hidden:
		case fam.composite():
			f.compositeLines(s, add)
		case s.value != noSlot:
			f.valueLines(s, add)
		}
	}
	return lines
}

type addLine func(l explainedLine, part exposition.Part, name string)

// compositeLines gives a histogram's or summary's lines, as renderMulti shows them.
func (f *Fold) compositeLines(s *series, add addLine) {
	for _, q := range s.quantiles {
		for _, l := range f.memberLines(s, q.slot) {
			l.out.Labels = withBound(l.out.Labels, "quantile", q.bound)
			add(l, exposition.PartQuantile, "")
		}
	}
	sum, count := "_sum", "_count"
	if s.variant.typ == exposition.GaugeHistogram {
		sum, count = "_gsum", "_gcount"
		if len(s.buckets) == 0 || !f.has[s.infSlot()] {
			return
		}
	} else if !f.shows(s) {
		return
	}
	shown := -1
	for i, b := range s.buckets {
		if f.holders[s.infSlot()] == 0 || f.holders[b.slot] > 0 {
			shown = i
			out := ExplainedSeries{Labels: withBound(s.labels, "le", b.bound)}
			add(explainedLine{series: s, slot: b.slot, bucket: i, out: out}, exposition.PartBucket, "_bucket")
		}
	}
	plain := ExplainedSeries{Labels: s.labels}
	if s.sum != noSlot && f.known[s.sum] {
		add(explainedLine{series: s, slot: s.sum, bucket: -1, out: plain}, exposition.PartSum, sum)
	}
	switch { // the page's count is its last bucket
	case shown >= 0:
		add(explainedLine{series: s, slot: s.buckets[shown].slot, bucket: shown, out: plain}, exposition.PartCount, count)
	case s.count != noSlot && f.known[s.count]:
		add(explainedLine{series: s, slot: s.count, bucket: -1, out: plain}, exposition.PartCount, count)
	}
}

// valueLines gives the line of a counter, gauge, info or state, as renderSeries shows it; one a worker under mode all.
func (f *Fold) valueLines(s *series, add addLine) {
	one := explainedLine{series: s, slot: s.value, bucket: -1, out: ExplainedSeries{Labels: s.labels}}
	switch f.class[s.value] {
	case classSum:
		if f.target[s.value] == s.value && f.shows(s) {
			add(one, exposition.PartValue, "")
		}
	case classInfo:
		if f.has[s.value] {
			add(one, exposition.PartValue, "")
		}
	case classGauge:
		if mode, _ := s.variant.family.mode.live(); mode == ModeAll {
			for _, l := range f.memberLines(s, s.value) {
				add(l, exposition.PartValue, "")
			}
		} else if shown := f.renderGauge(nil, s); len(shown) > 0 {
			one.out.Value = shown[0].Value
			add(one, exposition.PartValue, "")
		}
	default: // not shown
	}
}

// memberLines gives a line for each worker.
func (f *Fold) memberLines(s *series, slot Slot) (lines []explainedLine) {
	g := f.gauges.of(slot)
	if g == nil {
		return nil
	}
	slices.SortStableFunc(g.all, func(a, b member) int { return strings.Compare(a.workerID, b.workerID) })
	for i := range g.all {
		if i > 0 && g.all[i-1].workerID == g.all[i].workerID {
			continue
		}
		out := ExplainedSeries{Labels: f.workerLabels(s, slot, g.all[i]), Value: g.all[i].value}
		lines = append(lines, explainedLine{series: s, slot: slot, bucket: -1, only: &g.all[i], out: out})
	}
	return lines
}

// withBound adds le or quantile, as a page writes it.
func withBound(labels exposition.Labels, name string, bound float64) exposition.Labels {
	return WithWorker(labels, name, string(exposition.AppendBound(nil, bound)))
}
