package relabel

import (
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	promrelabel "github.com/prometheus/prometheus/model/relabel"
)

// Metric applies a job's metric_relabel_configs. It is safe for concurrent use. It is meant to be asked once per
// series, when its line first appears, not once per sample: a rule costs a regular expression.
type Metric struct{ rules []*promrelabel.Config }

// NewMetric takes rules that Options.Validate has accepted.
func NewMetric(rules []*promrelabel.Config) *Metric { return &Metric{rules: rules} }

// Empty says that Apply changes nothing, so that the caller may leave it out.
func (m *Metric) Empty() bool { return len(m.rules) == 0 }

// Apply gives a series' labels after the rules, its name among them as __name__. It is false where the series is
// dropped: by a rule, or because what is left has no name or labels that no page can carry.
func (m *Metric) Apply(name string, lset labels.Labels) (labels.Labels, bool) {
	builder := labels.NewBuilder(lset)
	builder.Set(model.MetricNameLabel, name)
	if !promrelabel.ProcessBuilder(builder, m.rules...) {
		return labels.EmptyLabels(), false
	}
	out := builder.Labels()
	if !out.IsValid(model.UTF8Validation) || out.Get(model.MetricNameLabel) == "" {
		return labels.EmptyLabels(), false
	}
	return out, true
}
