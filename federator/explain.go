package federator

import (
	"encoding/json"
	"math"
	"strconv"
	"time"

	"github.com/fedscrape/fedscrape/merge"
)

// UnknownMetricError is asked for a metric that the instance does not have. Known are the likest that it has.
type UnknownMetricError = merge.UnknownMetricError

// Explanation is how a metric's merged values come about, as GET /api/v1/explain shows it.
type Explanation struct {
	Metric   string            `json:"metric"`
	Type     string            `json:"type"`
	Mode     string            `json:"mode"`     // of a gauge
	ModeFrom string            `json:"modeFrom"` // rule, hint, builtin, default
	Series   []ExplainedSeries `json:"series"`
	Total    int               `json:"-"` // how many series there are
}

// ExplainedSeries is one merged line. Where it is cumulative, Value is Ledger and the sum of the parts.
type ExplainedSeries struct {
	Labels map[string]string `json:"labels"`
	Value  Number            `json:"value"`
	Ledger Number            `json:"ledger"`
	Parts  []ExplainedPart   `json:"parts"`
}

// ExplainedPart is what one worker has to do with a line.
type ExplainedPart struct {
	WorkerID string `json:"workerId"`
	Offset   Number `json:"offset"`
	Last     Number `json:"last"`
	State    string `json:"state"` // up, failed, departed
}

// Number is a string in JSON where it is not finite, as in Prometheus' API.
type Number float64

// MarshalJSON implements json.Marshaler.
func (n Number) MarshalJSON() ([]byte, error) {
	v := float64(n)
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return strconv.AppendQuote(nil, strconv.FormatFloat(v, 'f', -1, 64)), nil
	}
	return json.Marshal(v)
}

// Explain says how the merged values of a metric come about, of limit series at most. The error is an
// *UnknownInstanceError, a *NotReadyError or an *UnknownMetricError.
func (f *Federator) Explain(job, instance, metric string, limit int) (*Explanation, error) {
	in, err := f.find(job, instance)
	if err != nil {
		return nil, err
	}
	return explain(in.fold, metric, limit)
}

func explain(fold *merge.Fold, metric string, limit int) (*Explanation, error) {
	e, err := fold.Explain(metric, limit, time.Now())
	if err != nil {
		return nil, err
	}
	out := &Explanation{
		Metric: e.Metric, Type: e.Type.String(), Mode: e.Mode, ModeFrom: e.ModeFrom,
		Series: make([]ExplainedSeries, len(e.Series)), Total: e.Total,
	}
	for i := range e.Series {
		out.Series[i] = explainedSeries(&e.Series[i])
	}
	return out, nil
}

func explainedSeries(s *merge.ExplainedSeries) ExplainedSeries {
	out := ExplainedSeries{
		Labels: make(map[string]string, len(s.Labels)), Value: Number(s.Value), Ledger: Number(s.Ledger),
		Parts: make([]ExplainedPart, len(s.Parts)),
	}
	for _, l := range s.Labels {
		out.Labels[l.Name] = l.Value
	}
	for i, p := range s.Parts {
		out.Parts[i] = ExplainedPart{p.WorkerID, Number(p.Offset), Number(p.Last), p.State}
	}
	return out
}
