package relabel

import (
	"testing"

	"github.com/prometheus/prometheus/model/labels"
)

func TestMetric(t *testing.T) {
	f := func(rules, name string, lset labels.Labels, want string, keep bool) {
		t.Helper()
		got, ok := NewMetric(options(t, "metric_relabel_configs: "+rules).MetricRelabelConfigs).Apply(name, lset)
		if ok != keep || (keep && got.String() != want) {
			t.Errorf("%s: got %s %v, want %s %v", rules, got, ok, want, keep)
		}
	}
	view := labels.FromStrings("view", "fire", "user", "17")
	f(`[]`, "reqs_total", view, `{__name__="reqs_total", user="17", view="fire"}`, true)
	f(`[{action: labeldrop, regex: user}]`, "reqs_total", view, `{__name__="reqs_total", view="fire"}`, true)
	f(`[{action: drop, source_labels: [__name__], regex: reqs_.*}]`, "reqs_total", view, "", false)
	f(`[{action: drop, source_labels: [__name__], regex: reqs}]`, "reqs_total", view, `{__name__="reqs_total", user="17", view="fire"}`, true)
	f(`[{source_labels: [__name__], regex: (.*)_total, target_label: __name__, replacement: app_$1}]`, "reqs_total", view,
		`{__name__="app_reqs", user="17", view="fire"}`, true)
	f(`[{action: labeldrop, regex: __name__}]`, "reqs_total", view, "", false)
	f(`[{action: keepequal, source_labels: [user], target_label: view}]`, "reqs_total", view, "", false)
	f(`[{source_labels: [instance], regex: "", target_label: seen, replacement: no_target_labels}]`, "up", labels.EmptyLabels(),
		`{__name__="up", seen="no_target_labels"}`, true)
}

func TestMetricEmpty(t *testing.T) {
	if !NewMetric(nil).Empty() {
		t.Error("no rules are not empty")
	}
	if NewMetric(options(t, `metric_relabel_configs: [{action: labeldrop, regex: x}]`).MetricRelabelConfigs).Empty() {
		t.Error("a rule is empty")
	}
}
