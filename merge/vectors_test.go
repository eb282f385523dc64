package merge

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/textparse"

	"github.com/fedscrape/fedscrape/exposition"
)

// TestMultiprocessVectors merges the pages of client_python's workers and compares with what its own multiprocess
// mode says of the same workers.
func TestMultiprocessVectors(t *testing.T) {
	dirs, err := filepath.Glob("../testdata/multiprocess/*")
	if err != nil || len(dirs) == 0 {
		t.Fatalf("no cases: %v", err)
	}
	for _, dir := range dirs {
		t.Run(filepath.Base(dir), func(t *testing.T) {
			want := readExpected(t, filepath.Join(dir, "expected.prom"))
			pages := vectorPages(t, dir)
			for _, order := range []string{"as listed", "reversed"} {
				got := flatten(foldVector(t, dir, pages))
				compareSamples(t, order, got, want)
				slices.Reverse(pages)
			}
		})
	}
}

// vectorPages gives the paths of a case's pages.
func vectorPages(t *testing.T, dir string) []string {
	t.Helper()
	live, _ := filepath.Glob(filepath.Join(dir, "w*.prom"))
	dead, _ := filepath.Glob(filepath.Join(dir, "dead*.prom"))
	pages := slices.Concat(dead, live)
	if len(pages) == 0 {
		t.Fatal("no pages")
	}
	return pages
}

func foldVector(t *testing.T, dir string, pages []string) []exposition.Family {
	t.Helper()
	opts := NewOptions()
	opts.WorkerLabel = "pid"
	opts.GaugeModes = vectorModes(t, filepath.Join(dir, "gauge_modes.json"))
	f := New(opts)
	for _, path := range pages {
		name := strings.TrimSuffix(filepath.Base(path), ".prom")
		dead := strings.HasPrefix(name, "dead")
		pid := strings.TrimPrefix(strings.TrimPrefix(name, "dead"), "w")
		inc := f.Add(Spec{Key: pid, WorkerID: pid, Born: t0})
		stageFile(t, f, inc, path)
		if f.SetUp(inc, true); dead {
			f.Depart(inc, t0, false)
		}
	}
	return f.Families(t0)
}

func stageFile(t testing.TB, f *Fold, inc *Incarnation, path string) {
	t.Helper()
	body, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	st := inc.Stage()
	page := exposition.NewPage(exposition.Text, exposition.NewTable(1<<20), st, exposition.Limits{}, nil)
	if _, err := page.Write(body); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	if err := page.Close(true); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	f.Commit(st, t0)
}

func vectorModes(t *testing.T, path string) (rules []GaugeRule) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var modes map[string]Mode
	if err := json.Unmarshal(data, &modes); err != nil {
		t.Fatal(err)
	}
	for name, mode := range modes {
		match, err := NewRegexp(name)
		if err != nil {
			t.Fatal(err)
		}
		rules = append(rules, GaugeRule{match, mode})
	}
	return rules
}

// readExpected reads a page with Prometheus' own parser: a second opinion.
func readExpected(t *testing.T, path string) map[string]float64 {
	t.Helper()
	body, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]float64{}
	p := textparse.NewPromParser(body, labels.NewSymbolTable(), false)
	for {
		entry, err := p.Next()
		if errors.Is(err, io.EOF) {
			return out
		}
		if err != nil {
			t.Fatal(err)
		}
		if entry == textparse.EntrySeries {
			var lset labels.Labels
			p.Labels(&lset)
			_, _, v := p.Series()
			out[lset.String()] = v
		}
	}
}

// flatten gives the samples of families, by their labels with the name among them.
func flatten(families []exposition.Family) map[string]float64 {
	out := map[string]float64{}
	put := func(v float64, name string, ls exposition.Labels, more ...string) {
		more = append(more, "__name__", name)
		for _, l := range ls {
			more = append(more, l.Name, l.Value)
		}
		out[labels.FromStrings(more...).String()] = v
	}
	for _, fam := range families {
		for _, s := range fam.Series {
			for _, b := range s.Buckets {
				put(b.Count, fam.Name+"_bucket", s.Labels, "le", labels.FormatOpenMetricsFloat(b.UpperBound))
			}
			for _, q := range s.Quantiles {
				put(q.Value, fam.Name, s.Labels, "quantile", labels.FormatOpenMetricsFloat(q.Quantile))
			}
			if s.HasCount {
				put(s.Count, fam.Name+"_count", s.Labels)
			}
			if s.HasSum {
				put(s.Sum, fam.Name+"_sum", s.Labels)
			}
			if !s.HasCount && !s.HasSum && len(s.Buckets)+len(s.Quantiles) == 0 {
				put(s.Value, fam.Name, s.Labels)
			}
		}
	}
	return out
}

func compareSamples(t *testing.T, what string, got, want map[string]float64) {
	t.Helper()
	for _, k := range slices.Sorted(maps.Keys(want)) {
		v, ok := got[k]
		if !ok || !near(v, want[k]) {
			t.Errorf("%s: %s is %s, want %v", what, k, map[bool]string{true: fmt.Sprint(v), false: "missing"}[ok], want[k])
		}
	}
	for _, k := range slices.Sorted(maps.Keys(got)) {
		if _, ok := want[k]; !ok {
			t.Errorf("%s: %s = %v is not expected", what, k, got[k])
		}
	}
}

// near allows for the rounding of the other side: client_python adds floats in the order of its files, here the sum
// is the exact one rounded once.
func near(got, want float64) bool {
	return got == want || math.IsNaN(got) && math.IsNaN(want) || math.Abs(got-want) <= 1e-13*math.Abs(want)
}
