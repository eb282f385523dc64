package merge

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/fedscrape/fedscrape/exposition"
)

// Explanation is how a metric's merged values come about.
type Explanation struct {
	Metric string
	Type   exposition.Type
	// Mode is of a gauge, and ModeFrom who decided it: rule, hint, builtin, default.
	Mode, ModeFrom string
	// Series are at most as many as were asked for; Total is how many there are.
	Series []ExplainedSeries
	Total  int
}

// ExplainedSeries is one merged line. Where it is cumulative, Value is Ledger and the sum of the parts.
type ExplainedSeries struct {
	// Labels have le or quantile, and, where the metric is a family of several names, __name__.
	Labels exposition.Labels
	Value  float64
	// Ledger is what folded incarnations left.
	Ledger float64
	Parts  []ExplainedPart
}

// ExplainedPart is what one incarnation has to do with a line.
type ExplainedPart struct {
	WorkerID string
	// Offset is what it counted before its own resets and removals.
	Offset float64
	// Last is what it said last; of a bucket whose bound it lacks, its next lower one.
	Last  float64
	State string // up, failed, departed
}

// UnknownMetricError is asked for a metric that the instance does not have. Known are some that it has.
type UnknownMetricError struct {
	Metric string
	Known  []string
	Total  int
}

func (e *UnknownMetricError) Error() string { return fmt.Sprintf("unknown metric %q", e.Metric) }

// maxExplainedParts bounds an explanation whose series have thousands of parts each.
const maxExplainedParts = 200_000

// Explain says how the merged values of a metric come about: of a family, or of one of a histogram's names. Nothing
// that is shown changes by it. The error is an *UnknownMetricError.
func (f *Fold) Explain(metric string, limit int, now time.Time) (*Explanation, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.decideLayout()
	f.countHolders()
	f.expire(now)
	f.accumulate(now)
	fam, lines := f.named(metric)
	if fam == nil {
		return nil, f.unknownMetric(metric)
	}
	e := &Explanation{Metric: metric, Type: fam.winner, Total: len(lines)}
	if v := fam.variants[fam.winner]; v != nil && !v.cumulative() && fam.winner != exposition.GaugeHistogram {
		e.Mode, e.ModeFrom = fam.mode.String(), fam.modeFrom
	}
	limit = min(limit, 1+maxExplainedParts/(len(f.incarnations)+1))
	x := explaining{Fold: f, now: now, asked: lines[:min(len(lines), limit)]}
	x.explain()
	e.Series = make([]ExplainedSeries, len(x.asked))
	for i := range x.asked {
		e.Series[i] = x.asked[i].out
	}
	return e, nil
}

// explainedLine is one line of the page.
type explainedLine struct {
	series *series
	slot   Slot
	bucket int     // its index in the series' buckets, -1 where it is none
	only   *member // of a line of one worker
	out    ExplainedSeries
}

// named finds what goes under a name: a family; a histogram's or summary's bucket, sum or count; a family by its
// OpenMetrics name. A family that somebody has but the page does not show is without lines.
func (f *Fold) named(metric string) (*family, []explainedLine) {
	all := func(exposition.Part) bool { return true }
	if fam, lines := f.shownLines(metric, all); fam != nil {
		return fam, lines
	}
	for suffix, part := range map[string]exposition.Part{
		"_bucket": exposition.PartBucket, "_sum": exposition.PartSum, "_count": exposition.PartCount,
		"_gsum": exposition.PartSum, "_gcount": exposition.PartCount,
	} {
		if base, cut := strings.CutSuffix(metric, suffix); cut {
			if fam, lines := f.shownLines(base, func(p exposition.Part) bool { return p == part }); fam != nil && fam.composite() {
				return fam, lines
			}
		}
	}
	for _, suffix := range []string{"_total", "_info"} {
		if fam, lines := f.shownLines(metric+suffix, all); fam != nil {
			return fam, lines
		}
	}
	return f.living(metric), nil
}

// shownLines gives a family, and its lines of the wanted parts, where the page shows some.
func (f *Fold) shownLines(name string, wanted func(exposition.Part) bool) (*family, []explainedLine) {
	fam := f.families[name]
	if fam == nil || name == hintFamily {
		return nil, nil
	}
	withName := fam.composite() && wanted(exposition.PartSum) && wanted(exposition.PartCount)
	if lines := f.linesOf(fam, wanted, withName); len(lines) > 0 {
		return fam, lines
	}
	return nil, nil
}

// composite tells whether the family's lines have several names.
func (fam *family) composite() bool {
	return multi(fam.winner) || fam.winner == exposition.GaugeHistogram
}

// living gives a family that somebody has, or that has left something.
func (f *Fold) living(name string) *family {
	fam := f.families[name]
	if fam == nil || name == hintFamily {
		return nil
	}
	for _, v := range fam.variants {
		if slices.ContainsFunc(v.series, f.lives) {
			return fam
		}
	}
	return nil
}

// unknownMetric names the metrics that are likest.
func (f *Fold) unknownMetric(metric string) *UnknownMetricError {
	e := &UnknownMetricError{Metric: metric}
	for name := range f.families {
		if f.living(name) != nil {
			e.Known = append(e.Known, name)
		}
	}
	slices.SortFunc(e.Known, func(a, b string) int {
		return cmp.Or(cmp.Compare(alike(b, metric), alike(a, metric)), cmp.Compare(a, b))
	})
	e.Total = len(e.Known)
	e.Known = e.Known[:min(e.Total, 10)]
	return e
}

// alike is how many bytes two names begin with in common.
func alike(a, b string) (n int) {
	for n < len(a) && n < len(b) && a[n] == b[n] {
		n++
	}
	return n
}
