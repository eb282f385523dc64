package relabel

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	promrelabel "github.com/prometheus/prometheus/model/relabel"
)

// metric decodes rules.
func metric(t *testing.T, rules string) *Metric {
	t.Helper()
	return NewMetric(options(t, "metric_relabel_configs: "+rules).MetricRelabelConfigs)
}

// apply gives the labels as Prometheus writes them.
func apply(m *Metric, lset labels.Labels) (string, bool) {
	var list []labels.Label
	lset.Range(func(l labels.Label) { list = append(list, l) })
	list, keep := m.Apply(list)
	if !keep {
		return "", false
	}
	return labels.New(list...).String(), true
}

func TestMetric(t *testing.T) {
	f := func(rules, name string, lset labels.Labels, want string, keep bool) {
		t.Helper()
		got, ok := apply(metric(t, rules), labels.NewBuilder(lset).Set(model.MetricNameLabel, name).Labels())
		if ok != keep || got != want {
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

// What a Metric remembers of series makes it no other one: a reload of the same rules changes nothing.
func TestSameMetric(t *testing.T) {
	const rules = `[{action: drop, source_labels: [__name__], regex: x}]`
	used := metric(t, rules)
	apply(used, labels.FromStrings("__name__", "x"))
	if !used.Same(metric(t, rules)) || used.Same(metric(t, `[{action: drop, source_labels: [__name__], regex: y}]`)) || used.Same(nil) {
		t.Error("Same does not go by the rules")
	}
}

func TestMetricEmpty(t *testing.T) {
	if !NewMetric(nil).Empty() {
		t.Error("no rules are not empty")
	}
	if metric(t, `[{action: labeldrop, regex: x}]`).Empty() {
		t.Error("a rule is empty")
	}
}

// secondOpinion is what Prometheus makes of a series.
func secondOpinion(m *Metric, lset labels.Labels) (string, bool) {
	builder := labels.NewBuilder(lset)
	if !promrelabel.ProcessBuilder(builder, m.rules...) {
		return "", false
	}
	out := builder.Labels()
	if !out.IsValid(model.UTF8Validation) || out.Get(model.MetricNameLabel) == "" {
		return "", false
	}
	return out.String(), true
}

var (
	someNames  = []string{"__name__", "a", "b", "le", "ünter"}
	someValues = []string{"", "x", "a", "b", "le", "GET", "/api/v1/orders/17", "ab;x"}
	someRegexs = []string{"(.*)", "(.+)", "", "x", "a|b", "(a?)(b?).*", "(?P<n>[^;]*);(.*)", ".*/(\\d+)", "__name__|le", "[A-Z]+"}
	someTexts  = []string{"$1", "", "x", "${1}_$2", "$n", "a b", "/$1/{id}", "$1\xff"}
)

func pick(r *rand.Rand, list []string) string { return list[r.IntN(len(list))] }

// someRule is any rule that is valid.
func someRule(r *rand.Rand) *promrelabel.Config {
	for {
		rule := promrelabel.DefaultRelabelConfig
		rule.Action = []promrelabel.Action{
			promrelabel.Replace, promrelabel.Replace, promrelabel.Replace, promrelabel.Keep, promrelabel.Drop, promrelabel.KeepEqual,
			promrelabel.DropEqual, promrelabel.HashMod, promrelabel.LabelMap, promrelabel.LabelDrop, promrelabel.LabelKeep,
			promrelabel.Lowercase, promrelabel.Uppercase,
		}[r.IntN(13)]
		equal := rule.Action == promrelabel.KeepEqual || rule.Action == promrelabel.DropEqual
		named := rule.Action == promrelabel.LabelDrop || rule.Action == promrelabel.LabelKeep
		if !named {
			rule.TargetLabel = pick(r, append(someTexts, someNames...))
			for range r.IntN(3) {
				rule.SourceLabels = append(rule.SourceLabels, model.LabelName(pick(r, someNames)))
			}
		}
		if !equal && !named {
			rule.Separator = pick(r, []string{";", "", "/"})
		}
		if !equal && r.IntN(4) > 0 {
			rule.Regex = promrelabel.MustNewRegexp(pick(r, someRegexs))
		}
		if rule.Action == promrelabel.HashMod {
			rule.Modulus = 3
		}
		if rule.Action == promrelabel.Replace || rule.Action == promrelabel.LabelMap {
			rule.Replacement = pick(r, someTexts)
		}
		if rule.Validate(model.UTF8Validation) == nil {
			return &rule
		}
	}
}

func someLabels(r *rand.Rand) labels.Labels {
	lset := map[string]string{"__name__": pick(r, []string{"x", "x_total", "GET"})}
	for range r.IntN(5) {
		lset[someNames[1+r.IntN(len(someNames)-1)]] = pick(r, someValues)
	}
	return labels.FromMap(lset)
}

// matchesPrometheus applies some rules to some series, each twice: the second time the outcomes are known.
func matchesPrometheus(t *testing.T, seed1, seed2 uint64) (known, dropped, changed bool) {
	t.Helper()
	r := rand.New(rand.NewPCG(seed1, seed2))
	var rules []*promrelabel.Config
	for range 1 + r.IntN(4) {
		rules = append(rules, someRule(r))
	}
	m := NewMetric(rules)
	for range 20 {
		lset := someLabels(r)
		want, wantKeep := secondOpinion(m, lset)
		for range 2 {
			if got, keep := apply(m, lset); got != want || keep != wantKeep {
				t.Fatalf("%s of %s: got %s %v, want %s %v", describe(rules), lset, got, keep, want, wantKeep)
			}
		}
		dropped, changed = dropped || !wantKeep, changed || want != lset.String()
	}
	return m.known, dropped, changed
}

func describe(rules []*promrelabel.Config) string {
	var b strings.Builder
	for _, r := range rules {
		fmt.Fprintf(&b, "%s %q -> %q regex %q replacement %q; ", r.Action, r.SourceLabels, r.TargetLabel, r.Regex, r.Replacement)
	}
	return b.String()
}

func TestMetricMatchesPrometheus(t *testing.T) {
	var count [3]int
	for seed := range uint64(2000) {
		known, dropped, changed := matchesPrometheus(t, seed, 1)
		for i, yes := range []bool{known, dropped, changed} {
			if yes {
				count[i]++
			}
		}
	}
	if slices.Min(count[:]) < 200 || count[0] > 1800 {
		t.Errorf("%d with known rules only, %d that drop, %d that change something: the test sees too little", count[0], count[1], count[2])
	}
}

func FuzzMetricMatchesPrometheus(f *testing.F) {
	f.Add(uint64(1), uint64(2))
	f.Fuzz(func(t *testing.T, a, b uint64) { matchesPrometheus(t, a, b) })
}

// What is remembered of values that never come again is bounded, and goes on to be right.
func TestOutcomesAreBounded(t *testing.T) {
	cut := rule(promrelabel.Replace, "(.*)7", "user", "${1}x", "user")
	known := &memos{outcomes: make([]map[string]outcome, 1)}
	for i := range 3 * maxOutcomes {
		for _, user := range []string{strconv.Itoa(i), strings.Repeat("u", maxOutcomeText) + strconv.Itoa(i)} {
			before, matches := strings.CutSuffix(user, "7")
			if o := known.outcome(0, cut, []byte(user)); o.matches != matches || matches && o.label != (labels.Label{Name: "user", Value: before + "x"}) {
				t.Fatalf("%v of %s", o, user)
			}
		}
		if n := len(known.outcomes[0]); n == 0 || n > maxOutcomes {
			t.Fatalf("%d outcomes are remembered", n)
		}
	}
	for text, o := range known.outcomes[0] {
		if len(text)+len(o.label.Value) > maxOutcomeText {
			t.Errorf("%q is remembered", text)
		}
	}
}

// BenchmarkMetric is a series of a family and endpoint that are known, beside what Prometheus' own way costs.
func BenchmarkMetric(b *testing.B) {
	rules := []*promrelabel.Config{
		rule(promrelabel.Drop, "process_max_fds|.*_debug_.*", "", "", "__name__"),
		rule(promrelabel.LabelDrop, "patchlevel", "", ""),
		rule(promrelabel.Replace, "app_build_info;(.{4}).*", "commit", "$1", "__name__", "commit"),
		rule(promrelabel.Replace, `(/api/v\d+/[a-z]+)/\d+`, "endpoint", "$1/{id}", "endpoint"),
	}
	for _, known := range []bool{true, false} {
		b.Run(map[bool]string{true: "known", false: "library"}[known], func(b *testing.B) {
			m := NewMetric(rules)
			m.known = known
			var list []labels.Label
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				list = append(list[:0], labels.Label{Name: "__name__", Value: "http_requests_total"},
					labels.Label{Name: "endpoint", Value: []string{"/api/v1/orders", "/api/v1/orders/17"}[i%2]}, labels.Label{Name: "method", Value: "GET"})
				if _, keep := m.Apply(list); !keep {
					b.Fatal("dropped")
				}
			}
		})
	}
}

func rule(action promrelabel.Action, regex, target, replacement string, source ...model.LabelName) *promrelabel.Config {
	return &promrelabel.Config{
		Action: action, Regex: promrelabel.MustNewRegexp(regex), TargetLabel: target, Replacement: replacement, SourceLabels: source,
		Separator: ";", NameValidationScheme: model.UTF8Validation,
	}
}
