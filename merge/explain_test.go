package merge

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/fedscrape/fedscrape/exposition"
)

// failer is a *testing.T or a *rapid.T.
type failer interface {
	Fatalf(format string, args ...any)
}

// checkExplained holds every explanation against the page: the same lines, the same values, and what adds up to them.
func checkExplained(t failer, f *Fold, now time.Time) {
	families := f.Families(now)
	want, got := flatten(families), map[string]float64{}
	for _, fam := range families {
		e, err := f.Explain(fam.Name, math.MaxInt, now)
		if err != nil || e.Type != fam.Type || e.Total != len(e.Series) {
			t.Fatalf("explain %s: %+v, %v", fam.Name, e, err)
		}
		for _, s := range e.Series {
			key := explainedName(fam.Name, s.Labels)
			if _, twice := got[key]; twice {
				t.Fatalf("%s is there twice", key)
			}
			got[key] = s.Value
			if v := fam.Type; v.Cumulative() && !slices.ContainsFunc(s.Labels, isQuantile) || v == exposition.Unknown && isTotal(fam.Name) {
				checkEquation(t, key, s)
			}
		}
	}
	for k, v := range want {
		if g, ok := got[k]; !ok || g != v && !(math.IsNaN(g) && math.IsNaN(v)) {
			t.Fatalf("%s is explained as %v %v, the page says %v", k, g, ok, v)
		}
	}
	if len(got) != len(want) {
		t.Fatalf("%d lines are explained, %d are on the page:\n%v\n%v", len(got), len(want), got, want)
	}
	for _, fam := range f.families {
		fam.plannedFor = 0
	}
	if after := flatten(f.Families(now)); !cmp.Equal(after, want, cmp.Comparer(func(a, b float64) bool { return a == b || a != a && b != b })) {
		t.Fatalf("the page changed by being explained, or is another without a plan: %s", cmp.Diff(want, after))
	}
}

func isQuantile(l exposition.Label) bool { return l.Name == "quantile" }

// explainedName is a line's name as flatten writes it.
func explainedName(family string, ls exposition.Labels) string {
	s := exposition.Series{}
	for _, l := range ls {
		if l.Name == "__name__" {
			family = strings.NewReplacer("_gcount", "_count", "_gsum", "_sum").Replace(l.Value)
			continue
		}
		s.Labels = append(s.Labels, l)
	}
	for name := range flatten([]exposition.Family{{Name: family, Series: []exposition.Series{s}}}) {
		return name
	}
	return ""
}

func checkEquation(t failer, key string, s ExplainedSeries) {
	total, scale := s.Ledger, math.Abs(s.Ledger)
	for _, p := range s.Parts {
		total += p.Offset + p.Last
		scale += math.Abs(p.Offset) + math.Abs(p.Last)
	}
	if finite(s.Value) != finite(total) || finite(total) && math.Abs(total-s.Value) > 1e-12*math.Max(scale, math.Abs(s.Value)) {
		t.Fatalf("%s is %v, its parts add up to %v: %+v", key, s.Value, total, s)
	}
}

// TestExplainLaws explains after each step of the random schedules of TestMergeLaws.
func TestExplainLaws(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		opts := NewOptions()
		opts.DepartedLimit, opts.SeriesRetention = rapid.IntRange(0, 4).Draw(t, "limit"), 3*time.Hour
		s := &schedule{f: New(opts), now: t0}
		actions := s.actions()
		actions[""] = func(t *rapid.T) { checkExplained(t, s.f, s.now) }
		t.Repeat(actions)
	})
}

// TestExplainTypes explains random pages of every type and mode, of workers that go and come.
func TestExplainTypes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		opts := lawOptions()
		opts.DepartedLimit = rapid.IntRange(0, 2).Draw(t, "limit")
		opts.SummaryQuantiles = rapid.SampledFrom([]string{"drop", "all"}).Draw(t, "quantiles")
		f, now := New(opts), t0
		for i := range rapid.IntRange(1, 5).Draw(t, "workers") {
			inc := add(f, strconv.Itoa(i))
			for range rapid.IntRange(1, 3).Draw(t, "pages") {
				p := lawPage(t, lawBounds)
				quantile := id(exposition.Summary, "s", exposition.PartQuantile, 0.5, "k", "a")
				page(f, inc, now, append(p, sample{id: quantile, v: rapid.Float64().Draw(t, "q")})...)
			}
			f.SetUp(inc, rapid.Bool().Draw(t, "up"))
			if rapid.Bool().Draw(t, "gone") {
				f.Depart(inc, now, rapid.Bool().Draw(t, "certain"))
			}
			now = now.Add(time.Minute)
			checkExplained(t, f, now)
		}
	})
}

// line prints an explained series.
func explainedLineText(s ExplainedSeries) string {
	var b strings.Builder
	for _, l := range s.Labels {
		fmt.Fprintf(&b, "%s=%s ", l.Name, l.Value)
	}
	fmt.Fprintf(&b, "%v = %v", s.Value, s.Ledger)
	for _, p := range s.Parts {
		fmt.Fprintf(&b, " + %s:%v+%v:%s", p.WorkerID, p.Offset, p.Last, p.State)
	}
	return b.String()
}

func explainText(t *testing.T, f *Fold, metric string) string {
	t.Helper()
	e, err := f.Explain(metric, 100, t0)
	if err != nil {
		t.Fatal(err)
	}
	lines := []string{strings.TrimSpace(e.Type.String() + " " + e.Mode + " " + e.ModeFrom)}
	for _, s := range e.Series {
		lines = append(lines, explainedLineText(s))
	}
	return strings.Join(lines, "\n")
}

func wantExplained(t *testing.T, f *Fold, metric string, want ...string) {
	t.Helper()
	if diff := cmp.Diff(strings.Join(want, "\n"), explainText(t, f, metric)); diff != "" {
		t.Errorf("%s:\n%s", metric, diff)
	}
}

// TestExplainCounter tells apart what is folded, kept apart, carried on after a reset, and said last.
func TestExplainCounter(t *testing.T) {
	f := New(NewOptions())
	reqs := func(v float64) sample { return sample{id: counter("reqs_total", "view", "fire"), v: v} }
	folded, kept, up, down := add(f, "folded"), add(f, "kept"), add(f, "up"), add(f, "down")
	page(f, folded, t0, reqs(5))
	page(f, kept, t0, reqs(3))
	page(f, up, t0, reqs(10))
	page(f, up, t0, reqs(12))
	page(f, down, t0, reqs(7))
	page(f, down, t0, reqs(2))
	f.SetUp(down, false)
	f.Depart(folded, t0, true)
	f.Depart(kept, t0, false)
	want := []string{"counter", "view=fire 29 = 5 + kept:0+3:departed + up:0+12:up + down:7+2:failed"}
	wantExplained(t, f, "reqs_total", want...)
	wantExplained(t, f, "reqs", want...) // as OpenMetrics calls it
	page(f, up, t0)
	f.Depart(up, t0, false)
	wantExplained(t, f, "reqs_total", "counter", "view=fire 29 = 5 + kept:0+3:departed + up:12+0:departed + down:7+2:failed")
}

// TestExplainHistogram gives cumulative numbers at every bound, also of a worker that lacks it.
func TestExplainHistogram(t *testing.T) {
	f := New(NewOptions())
	old, a, b := add(f, "old"), add(f, "a"), add(f, "b")
	page(f, old, t0, hist("h", 1, 1, 1, 5, 2, math.Inf(1), 3)...)
	page(f, a, t0, hist("h", 10, 1, 4, 5, 6, math.Inf(1), 7)...)
	page(f, a, t0, hist("h", 2, 1, 1, 5, 1, math.Inf(1), 2)...) // began anew
	page(f, b, t0, hist("h", 30, 2, 5, math.Inf(1), 9)...)
	f.Depart(old, t0, true)
	wantExplained(t, f, "h_bucket", "histogram",
		"le=1.0 6 = 1 + a:4+1:up + b:0+0:up",
		"le=2.0 11 = 1 + a:4+1:up + b:0+5:up",
		"le=5.0 14 = 2 + a:6+1:up + b:0+5:up",
		"le=+Inf 21 = 3 + a:7+2:up + b:0+9:up")
	wantExplained(t, f, "h_count", "histogram", "21 = 3 + a:7+2:up + b:0+9:up")
	wantExplained(t, f, "h_sum", "histogram", "43 = 1 + a:10+2:up + b:0+30:up")
	if got := explainText(t, f, "h"); !strings.Contains(got, "__name__=h_bucket le=2.0 11 = ") || !strings.Contains(got, "__name__=h_sum 43 = ") || strings.Count(got, "\n") != 6 {
		t.Errorf("h:\n%s", got)
	}
}

func TestExplainGauges(t *testing.T) {
	f := New(lawOptions())
	folded, a, b := add(f, "folded"), add(f, "a"), add(f, "b")
	for i, inc := range []*Incarnation{folded, a, b} {
		v := float64(i + 1)
		page(f, inc, t0, sample{id: gaugeID("g_sum"), v: v}, sample{id: gaugeID("g_livesum"), v: v}, sample{id: gaugeID("g_liveall"), v: v},
			sample{id: gaugeID("g_max"), v: -v}, sample{id: gaugeID("other"), v: v}, sample{id: gaugeID("go_goroutines"), v: v}, sample{id: gaugeID("g_omit"), v: v})
	}
	f.SetUp(b, false)
	f.Depart(folded, t0, true)
	wantExplained(t, f, "g_sum", "gauge sum rule", "6 = 1 + a:0+2:up + b:0+3:failed")
	wantExplained(t, f, "g_livesum", "gauge livesum rule", "2 = 0 + a:0+2:up + b:0+3:failed")
	wantExplained(t, f, "g_max", "gauge max rule", "-1 = -1 + a:0+-2:up + b:0+-3:failed")
	wantExplained(t, f, "g_liveall", "gauge liveall rule", "worker_id=a 2 = 0 + a:0+2:up")
	wantExplained(t, f, "other", "gauge liveall default", "worker_id=a 2 = 0 + a:0+2:up")
	wantExplained(t, f, "go_goroutines", "gauge livesum builtin", "2 = 0 + a:0+2:up + b:0+3:failed")
	page(f, a, t0, sample{id: gaugeID("omitted"), v: 1}, sample{id: gaugeID(hintFamily, "metric", "omitted", "mode", "omit"), v: 1})
	wantExplained(t, f, "omitted", "gauge omit hint")
}

func TestExplainUnknown(t *testing.T) {
	f := New(NewOptions())
	page(f, add(f, "a"), t0, sample{id: counter("reqs_total"), v: 1}, sample{id: counter("errors_total"), v: 1}, sample{id: gaugeID("up"), v: 1},
		sample{id: gaugeID(hintFamily, "metric", "up", "mode", "max"), v: 1})
	for _, name := range []string{"reqs_totl", hintFamily, "", "reqs_total_bucket"} {
		_, err := f.Explain(name, 10, t0)
		var unknown *UnknownMetricError
		if !errors.As(err, &unknown) || unknown.Total != 3 || len(unknown.Known) != 3 {
			t.Errorf("%q: %v %+v", name, err, unknown)
		} else if strings.HasPrefix(name, "reqs") && unknown.Known[0] != "reqs_total" {
			t.Errorf("%q: the likest is %q", name, unknown.Known[0])
		}
	}
}

// TestExplainLimit keeps an answer small, whatever the instance has.
func TestExplainLimit(t *testing.T) {
	f := New(NewOptions())
	for i := range 300 {
		inc := add(f, strconv.Itoa(i))
		var p []sample
		for k := range 900 {
			p = append(p, sample{id: counter("c_total", "k", strconv.Itoa(k)), v: 1})
		}
		page(f, inc, t0, p...)
	}
	for limit, most := range map[int]int{10: 10, 1_000_000: 1 + maxExplainedParts/300} {
		e, err := f.Explain("c_total", limit, t0)
		if err != nil || e.Total != 900 || len(e.Series) == 0 || len(e.Series) > most {
			t.Errorf("limit %d: %d of %d, %v", limit, len(e.Series), e.Total, err)
		}
	}
}

// TestExplainExpired knows no series that the next page will not have.
func TestExplainExpired(t *testing.T) {
	f := New(NewOptions())
	gone, stays := add(f, "gone"), add(f, "stays")
	page(f, gone, t0, sample{id: counter("old_total"), v: 1})
	page(f, stays, t0, sample{id: counter("new_total"), v: 1})
	f.Depart(gone, t0, true)
	f.Families(t0)
	if _, err := f.Explain("old_total", 10, t0.Add(time.Hour)); err != nil {
		t.Error(err)
	}
	if e, err := f.Explain("old_total", 10, t0.Add(25*time.Hour)); err == nil {
		t.Errorf("got %+v", e)
	}
}

// TestExplainRaised: a bucket that a reset made less than the one below is explained as the page shows it, the count too.
func TestExplainRaised(t *testing.T) {
	f := New(NewOptions())
	a := f.Add(Spec{Key: "a", WorkerID: "a", Born: t0, Base: true})
	page(f, a, t0, hist("h", 1, 1, 0, 5, 1, math.Inf(1), 1)...)
	page(f, a, t0, hist("h", 1, 1, 1, 5, 1, math.Inf(1), 1)...) // it began anew, and has as many
	checkExplained(t, f, t0)
}
