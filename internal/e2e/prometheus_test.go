package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/fedscrape/fedscrape/internal/realbin"
)

// prometheus is a running Prometheus.
type prometheus struct{ url string }

// result is what a query gives: vectors in value, ranges in values.
type result struct {
	Metric map[string]string `json:"metric"`
	Value  [2]any            `json:"value"`
	Values [][2]any          `json:"values"`
}

func (p *prometheus) query(t *testing.T, expr string) []result {
	t.Helper()
	_, body := get(t.Context(), p.url+"/api/v1/query?query="+url.QueryEscape(expr))
	var answer struct {
		Status string
		Error  string
		Data   struct{ Result []result }
	}
	if err := json.Unmarshal([]byte(body), &answer); err != nil || answer.Status != "success" {
		t.Fatalf("%s: %v %s", expr, err, body)
	}
	return answer.Data.Result
}

// scalar gives the one value of a query, false where there is not one.
func (p *prometheus) scalar(t *testing.T, expr string) (float64, bool) {
	t.Helper()
	r := p.query(t, expr)
	if len(r) != 1 {
		return 0, false
	}
	return number(r[0].Value[1]), true
}

func number(v any) float64 {
	f, _ := strconv.ParseFloat(fmt.Sprint(v), 64)
	return f
}

func (p *prometheus) await(t *testing.T, expr string, want float64) {
	t.Helper()
	await(t, fmt.Sprintf("%s == %v", expr, want), func() bool {
		got, ok := p.scalar(t, expr)
		return ok && got == want
	})
}

func startPrometheus(t *testing.T, f *federator, list string) *prometheus {
	t.Helper()
	return &prometheus{realbin.StartPrometheus(t, fmt.Sprintf(`
global:
  scrape_interval: 1s
  scrape_timeout: 1s
scrape_configs:
  - job_name: fedscrape
    http_sd_configs:
      - url: %s%s
        refresh_interval: 1s
`, f.url, list))}
}

func fire(t *testing.T, app string, n int) {
	t.Helper()
	for range n {
		if status, body := get(t.Context(), app+"/fire"); status != http.StatusOK {
			t.Fatalf("/fire: %d %s", status, body)
		}
	}
}

// TestPrometheus scrapes the merged endpoint with one bare job, over an application that comes and goes.
func TestPrometheus(t *testing.T) {
	const series = `reqs_total{view="fire",job="webapp",instance="web1:8000"}`
	f := serve(t, realbin.StartConsul(t, realbin.ConsulOptions{}), "")
	p := startPrometheus(t, f, "/sd/instances")
	c, app := f.gunicorn(t)
	f.awaitWorkers(t, 4)
	fire(t, app, 7)
	p.await(t, series, 7)
	fire(t, app, 200)
	p.await(t, series, 207)
	p.await(t, `min_over_time(up{job="webapp"}[5s])`, 1)
	if err := c.end(syscall.SIGTERM); err != nil {
		t.Errorf("gunicorn: %v", err)
	}
	p.await(t, `up{job="webapp"}`, 0)
	_, app = f.gunicorn(t, "--max-requests", "20")
	f.awaitWorkers(t, 4)
	p.await(t, `up{job="webapp"}`, 1)
	load(t, app+"/fire", 100, 4)
	p.await(t, series, 307)
	p.await(t, `resets(`+series+`[10m])`, 0)
	samples := p.query(t, series+"[10m]")
	if len(samples) != 1 {
		t.Fatalf("%d series", len(samples))
	}
	values := samples[0].Values
	if first, last := number(values[0][1]), number(values[len(values)-1][1]); first > 7 || last != 307 { // a scrape may come in the midst of the first 7
		t.Errorf("first sample %v, last %v, want at most 7, and 307: %v", first, last, values)
	}
}

// TestPrometheusByWorker scrapes each worker, the worker_id way.
func TestPrometheusByWorker(t *testing.T) {
	f := serve(t, "", "")
	p := startPrometheus(t, f, "/sd/workers")
	_, app := f.gunicorn(t)
	f.awaitWorkers(t, 4)
	p.await(t, `count(up{job="webapp",instance="web1:8000",worker_id=~"[0-3]"} == 1)`, 4)
	fire(t, app, 30)
	p.await(t, `sum without (worker_id) (reqs_total{view="fire"})`, 30)
	await(t, "a rate", func() bool {
		_, ok := p.scalar(t, `sum without (worker_id) (rate(reqs_total{view="fire"}[1m]))`)
		return ok
	})
}

// promtool runs promtool and gives its output.
func promtool(t *testing.T, stdin string, args ...string) (string, error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), realbin.Promtool(t), args...)
	cmd.Stdin = strings.NewReader(stdin)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func TestExamplesPassPromtool(t *testing.T) {
	for file, check := range map[string]string{
		"prometheus-merged.yml": "config", "prometheus-worker-id.yml": "config", "rules.yml": "rules",
	} {
		path := filepath.Join("..", "..", "examples", "gunicorn", file)
		if out, err := promtool(t, "", "check", check, path); err != nil {
			t.Errorf("%s: %v\n%s", file, err, out)
		}
	}
}

// TestPagesPassPromtool holds our own metrics, and what merging adds to a worker's own page, against promtool.
func TestPagesPassPromtool(t *testing.T) {
	f := serve(t, "", "")
	f.gunicorn(t)
	f.awaitWorkers(t, 4)
	_, own := get(t.Context(), f.url+"/metrics")
	if out, err := promtool(t, own, "check", "metrics"); err != nil || out != "" {
		t.Errorf("/metrics: %v\n%s", err, out)
	}
	_, list := get(t.Context(), f.url+"/sd/workers")
	var groups []struct{ Targets []string }
	if err := json.Unmarshal([]byte(list), &groups); err != nil || len(groups) != 4 {
		t.Fatalf("%v: %s", err, list)
	}
	_, page := get(t.Context(), "http://"+groups[0].Targets[0]+"/metrics")
	_, merged := get(t.Context(), f.merged())
	workers, _ := promtool(t, page, "check", "metrics")
	got, _ := promtool(t, merged, "check", "metrics")
	for line := range strings.Lines(got) {
		if !strings.Contains(workers, line) {
			t.Errorf("promtool finds on the merged page alone: %s", line)
		}
	}
}
