package relabel

import (
	"reflect"
	"slices"
	"strings"
	"sync"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	promrelabel "github.com/prometheus/prometheus/model/relabel"
)

// Metric applies a job's metric_relabel_configs. It is safe for concurrent use. It is meant to be asked once per
// series, when its line first appears, not once per sample.
type Metric struct {
	rules []*promrelabel.Config
	// known says that each rule is one of those that Apply knows itself.
	known bool
	memos sync.Pool // of *memos
}

// NewMetric takes rules that Options.Validate has accepted.
func NewMetric(rules []*promrelabel.Config) *Metric {
	m := &Metric{rules: rules, known: !slices.ContainsFunc(rules, foreign)}
	m.memos.New = func() any { return &memos{outcomes: make([]map[string]outcome, len(rules))} }
	return m
}

// Empty says that Apply changes nothing, so that the caller may leave it out.
func (m *Metric) Empty() bool { return len(m.rules) == 0 }

// Same tells whether both have the same rules.
func (m *Metric) Same(other *Metric) bool {
	if m == nil || other == nil {
		return m == other
	}
	return reflect.DeepEqual(m.rules, other.rules)
}

// Apply gives a series' labels after the rules; the name is the label __name__. It works in place, and gives the labels in
// no order. It is false where the series is dropped: by a rule, or because what is left has no name or labels that no page
// can carry. Those that it is given a page can carry: only what a rule has set is looked at.
func (m *Metric) Apply(lset []labels.Label) ([]labels.Label, bool) {
	lset = slices.DeleteFunc(lset, func(l labels.Label) bool { return l.Value == "" })
	process := m.library
	if m.known {
		process = m.process
	}
	lset, changed, keep := process(lset)
	if !changed {
		return lset, keep && get(lset, model.MetricNameLabel) != ""
	}
	return lset, keep && valid(lset)
}

// library is Prometheus' own way, which costs several allocations and a regular expression a rule.
func (m *Metric) library(lset []labels.Label) (out []labels.Label, changed, keep bool) {
	builder := labels.NewBuilder(labels.New(lset...))
	if !promrelabel.ProcessBuilder(builder, m.rules...) {
		return lset, true, false
	}
	lset = lset[:0]
	builder.Range(func(l labels.Label) { lset = append(lset, l) })
	return lset, true, true
}

func valid(lset []labels.Label) (named bool) {
	for _, l := range lset {
		if !model.UTF8Validation.IsValidLabelName(l.Name) || !model.LabelValue(l.Value).IsValid() {
			return false
		}
		named = named || l.Name == model.MetricNameLabel
	}
	return named
}

// foreign tells which rules are left to Prometheus: labelmap depends on the order in which earlier rules have set labels.
func foreign(rule *promrelabel.Config) bool {
	return rule.Action == promrelabel.LabelMap || rule.Action == promrelabel.HashMod
}

// process applies the rules one after another. changed tells whether one has set a label.
func (m *Metric) process(lset []labels.Label) (out []labels.Label, changed, keep bool) {
	known := m.memos.Get().(*memos)
	defer m.memos.Put(known)
	for i, rule := range m.rules {
		switch rule.Action {
		case promrelabel.LabelDrop, promrelabel.LabelKeep:
			drops := rule.Action == promrelabel.LabelDrop
			lset = slices.DeleteFunc(lset, func(l labels.Label) bool {
				return known.outcome(i, rule, known.text(l.Name)).matches == drops
			})
		case promrelabel.DropEqual, promrelabel.KeepEqual:
			equal := string(known.source(rule, lset)) == get(lset, rule.TargetLabel)
			if equal == (rule.Action == promrelabel.DropEqual) {
				return lset, changed, false
			}
		case promrelabel.Drop, promrelabel.Keep:
			if known.outcome(i, rule, known.source(rule, lset)).matches == (rule.Action == promrelabel.Drop) {
				return lset, changed, false
			}
		default:
			if o := known.outcome(i, rule, known.source(rule, lset)); o.matches {
				lset, changed = set(lset, o.label), true
			}
		}
	}
	return lset, changed, true
}

func get(lset []labels.Label, name string) string {
	for i := range lset {
		if lset[i].Name == name {
			return lset[i].Value
		}
	}
	return ""
}

// set gives a label its value; an empty one is none.
func set(lset []labels.Label, label labels.Label) []labels.Label {
	at := slices.IndexFunc(lset, func(l labels.Label) bool { return l.Name == label.Name })
	switch {
	case at < 0 && label.Value == "":
	case at < 0:
		lset = append(lset, label)
	case label.Value == "":
		lset = slices.Delete(lset, at, at+1)
	default:
		lset[at] = label
	}
	return lset
}

// outcome is what a rule makes of a text: of what its source labels say, or of a label's name. What it says depends on
// nothing else, so that thousands of series of a few families and endpoints cost a regular expression for each of those.
type outcome struct {
	matches bool
	label   labels.Label // to set
}

// maxOutcomes and maxOutcomeText bound what is remembered of one rule.
const (
	maxOutcomes    = 1024
	maxOutcomeText = 256
)

// memos has the outcomes of each rule, for one goroutine.
type memos struct {
	outcomes []map[string]outcome
	buffer   []byte
}

func (m *memos) text(s string) []byte {
	m.buffer = append(m.buffer[:0], s...)
	return m.buffer
}

// source is what the rule's source labels say.
func (m *memos) source(rule *promrelabel.Config, lset []labels.Label) []byte {
	m.buffer = m.buffer[:0]
	for i, name := range rule.SourceLabels {
		if i > 0 {
			m.buffer = append(m.buffer, rule.Separator...)
		}
		m.buffer = append(m.buffer, get(lset, string(name))...)
	}
	return m.buffer
}

// outcome asks the i-th rule.
func (m *memos) outcome(i int, rule *promrelabel.Config, text []byte) outcome {
	if o, ok := m.outcomes[i][string(text)]; ok {
		return o
	}
	key := string(text)
	o := outcomeOf(rule, key)
	if len(key)+len(o.label.Name)+len(o.label.Value) > maxOutcomeText {
		return o
	}
	if m.outcomes[i] == nil || len(m.outcomes[i]) >= maxOutcomes {
		m.outcomes[i] = map[string]outcome{}
	}
	m.outcomes[i][key] = o
	return o
}

func outcomeOf(rule *promrelabel.Config, text string) outcome {
	switch rule.Action {
	case promrelabel.Lowercase:
		return outcome{true, labels.Label{Name: rule.TargetLabel, Value: strings.ToLower(text)}}
	case promrelabel.Uppercase:
		return outcome{true, labels.Label{Name: rule.TargetLabel, Value: strings.ToUpper(text)}}
	case promrelabel.Replace:
		return replacement(rule, text)
	default:
		return outcome{matches: rule.Regex.MatchString(text)}
	}
}

func replacement(rule *promrelabel.Config, text string) outcome {
	at := rule.Regex.FindStringSubmatchIndex(text)
	if at == nil {
		return outcome{}
	}
	target := string(rule.Regex.ExpandString(nil, rule.TargetLabel, text, at))
	if !rule.NameValidationScheme.IsValidLabelName(target) {
		return outcome{}
	}
	return outcome{true, labels.Label{Name: target, Value: string(rule.Regex.ExpandString(nil, rule.Replacement, text, at))}}
}
