package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	prom "github.com/prometheus/client_golang/prometheus"

	"github.com/fedscrape/fedscrape/internal/realbin"
	"github.com/fedscrape/fedscrape/worker"
)

// traced is a worker of client_golang that marks what it counts with traces.
type traced struct {
	*worker.Worker
	requests prom.Counter
	seconds  prom.Histogram
}

func startTraced(t *testing.T, f *federator, id string) *traced {
	t.Helper()
	w := &traced{
		requests: prom.NewCounter(prom.CounterOpts{Name: "traced_requests_total", Help: "Requests."}),
		seconds:  prom.NewHistogram(prom.HistogramOpts{Name: "traced_seconds", Help: "Seconds.", Buckets: []float64{0.5, 1}}),
	}
	registry := prom.NewRegistry()
	registry.MustRegister(w.requests, w.seconds)
	var err error
	w.Worker, err = worker.Register(t.Context(), worker.Options{
		Job: "webapp", Instance: "web1:8000", WorkerID: id, Gatherer: registry, Consul: f.registry, FederatorURL: f.url,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = w.Close() })
	return w
}

func (w *traced) serve(seconds float64, trace string) {
	labels := prom.Labels{"trace_id": trace}
	w.requests.(prom.ExemplarAdder).AddWithExemplar(1, labels)
	w.seconds.(prom.ExemplarObserver).ObserveWithExemplar(seconds, labels)
	for at := time.Now(); time.Since(at) < time.Millisecond; { // so that what comes next is later in the page, too
	}
}

// openMetrics gives the lines of a page in OpenMetrics that have an exemplar, without its timestamp.
func openMetrics(t *testing.T, url string) (lines []string) {
	t.Helper()
	status, body := getAs(t.Context(), url, "application/openmetrics-text;version=1.0.0")
	if status != http.StatusOK {
		t.Fatal(status, body)
	}
	for line := range strings.Lines(body) {
		if strings.Contains(line, " # {") {
			lines = append(lines, line[:strings.LastIndexByte(line, ' ')])
		}
	}
	return lines
}

// TestExemplars takes the traces of real workers through the merged page into a real Prometheus.
func TestExemplars(t *testing.T) {
	f := serve(t, "", "")
	a, b := startTraced(t, f, "a"), startTraced(t, f, "b")
	f.awaitWorkers(t, 2)
	a.serve(0.25, "a1")
	a.serve(0.75, "a2")
	b.serve(0.125, "b1")
	want := []string{
		`traced_requests_total 3 # {trace_id="b1"} 1`,
		`traced_seconds_bucket{le="0.5"} 2 # {trace_id="b1"} 0.125`,
		`traced_seconds_bucket{le="1.0"} 3 # {trace_id="a2"} 0.75`,
	}
	if got := openMetrics(t, f.merged()); !slices.Equal(got, want) {
		t.Errorf("merged: %q, want %q", got, want)
	}
	b.serve(9, "b2") // nobody has asked for it when the worker says goodbye
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	f.awaitWorkers(t, 1)
	want[0] = `traced_requests_total 4 # {trace_id="b2"} 1`
	want = append(want, `traced_seconds_bucket{le="+Inf"} 4 # {trace_id="b2"} 9`)
	if got := openMetrics(t, f.merged()); !slices.Equal(got, want) {
		t.Errorf("merged without b: %q, want %q", got, want)
	}
	p := &prometheus{realbin.StartPrometheus(t, fmt.Sprintf(`
global: {scrape_interval: 1s, scrape_timeout: 1s}
scrape_configs: [{job_name: fedscrape, http_sd_configs: [{url: "%s/sd/instances", refresh_interval: 1s}]}]
`, f.url), "--enable-feature=exemplar-storage")}
	await(t, "exemplars in Prometheus", func() bool {
		return slices.Equal(p.traces(t, "traced_requests_total"), []string{"b2"}) &&
			slices.Equal(p.traces(t, "traced_seconds_bucket"), []string{"a2", "b1", "b2"})
	})
	a.serve(0.25, "a3")
	await(t, "the next exemplar", func() bool {
		return slices.Equal(p.traces(t, "traced_requests_total"), []string{"a3", "b2"})
	})
}

// traces gives the traces of a metric's exemplars, sorted.
func (p *prometheus) traces(t *testing.T, metric string) (traces []string) {
	t.Helper()
	query := url.Values{
		"query": {metric}, "start": {time.Now().Add(-time.Hour).Format(time.RFC3339)}, "end": {time.Now().Add(time.Hour).Format(time.RFC3339)},
	}
	_, body := get(t.Context(), p.url+"/api/v1/query_exemplars?"+query.Encode())
	var answer struct {
		Status string
		Data   []struct {
			Exemplars []struct{ Labels map[string]string }
		}
	}
	if err := json.Unmarshal([]byte(body), &answer); err != nil || answer.Status != "success" {
		t.Fatalf("%v: %s", err, body)
	}
	for _, series := range answer.Data {
		for _, x := range series.Exemplars {
			traces = append(traces, x.Labels["trace_id"])
		}
	}
	slices.Sort(traces)
	return traces
}
