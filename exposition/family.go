package exposition

// Type is a metric family's type, as in OpenMetrics.
type Type uint8

// The types of a family. Unknown (text's untyped) agrees with every other.
const (
	Unknown Type = iota
	Counter
	Gauge
	Histogram
	GaugeHistogram
	Summary
	Info
	StateSet
)

var typeNames = [...]string{"unknown", "counter", "gauge", "histogram", "gaugehistogram", "summary", "info", "stateset"}

// String gives the type's OpenMetrics name.
func (t Type) String() string { return typeNames[t] }

// Cumulative tells whether values of the type only grow within one life of a worker.
func (t Type) Cumulative() bool { return t == Counter || t == Histogram || t == Summary }

// Part says which line of a family's series a sample is.
type Part uint8

// The parts of a series. Counters, gauges, info, state sets and unknowns have only PartValue and PartCreated.
const (
	PartValue    Part = iota
	PartBucket        // `x_bucket{le="…"}`: Bound is le
	PartSum           // `x_sum`, of a gauge histogram `x_gsum`
	PartCount         // `x_count`, of a gauge histogram `x_gcount`
	PartQuantile      // `x{quantile="…"}`: Bound is the quantile
	PartCreated       // `x_created`: the start time in Unix seconds
)

// Label is one name and value.
type Label struct{ Name, Value string }

// Labels are sorted by name and never hold one name twice.
type Labels []Label

// SeriesID names one line of a page, whatever its spelling: the same for labels in another order, `le="1"` and
// `le="1.0"`, OpenMetrics' family `x` and text's `x_total`. It must be immutable during its lifetime.
type SeriesID struct {
	// Family is the family's name as the text format has it: the sample's own name for counters (`x_total`), info
	// (`x_info`), gauges, state sets and unknowns; without `_bucket`, `_sum`, `_count`, `_created` otherwise.
	Family string
	// Type is what this page says the family is.
	Type Type
	Part Part
	// Bound is the upper bound of PartBucket or the quantile of PartQuantile, else 0.
	Bound float64
	// Labels are without le (PartBucket) and quantile (PartQuantile).
	Labels Labels
}

// Family is a merged or read metric family, ready to be encoded.
type Family struct {
	Name   string // as SeriesID.Family
	Type   Type
	Help   string // unescaped
	Unit   string
	Series []Series
}

// Series is one label set of a family.
type Series struct {
	Labels Labels
	// Value of a counter, gauge, info, state or unknown.
	Value float64
	// Start is when the series started to count, in Unix seconds; 0 where that is not known.
	Start float64
	// Count and Sum of histograms and summaries, each only where its Has says so.
	Count, Sum       float64
	HasCount, HasSum bool
	// Buckets are cumulative and ascend; the last is +Inf.
	Buckets   []Bucket
	Quantiles []Quantile
	Exemplar  *Exemplar // of a counter
}

// Bucket is a histogram's count of observations up to a bound.
type Bucket struct {
	UpperBound, Count float64
	Exemplar          *Exemplar
}

// Quantile is one precomputed quantile of a summary.
type Quantile struct{ Quantile, Value float64 }

// Exemplar is an example of what was counted. Timestamp is in Unix seconds, 0 where there was none.
type Exemplar struct {
	Labels           Labels
	Value, Timestamp float64
}
