package federator

import (
	"bytes"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"github.com/fedscrape/fedscrape/discovery"
	"github.com/fedscrape/fedscrape/exposition"
	"github.com/fedscrape/fedscrape/ledger"
	"github.com/fedscrape/fedscrape/merge"
	"github.com/fedscrape/fedscrape/relabel"
	"github.com/fedscrape/fedscrape/scraper"
)

const protobufType = "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited; escaping=allow-utf-8"

// protobufOf is a text page in protobuf.
func protobufOf(t testing.TB, page string) string {
	t.Helper()
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(strings.NewReader(page))
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	e := expfmt.NewEncoder(&b, expfmt.NewFormat(expfmt.TypeProtoDelim).WithEscapingScheme(model.NoEscaping))
	for _, name := range slices.Sorted(maps.Keys(families)) {
		if err := e.Encode(families[name]); err != nil {
			t.Fatal(err)
		}
	}
	return b.String()
}

// allTypes is a page that grows with n, and has a series more where n is odd.
func allTypes(n int) string {
	page := fmt.Sprintf(`# HELP x_total Counted \\ so far.
# TYPE x_total counter
x_total{path="/\"a\\b\n"} %[1]d
x_total{path="ö"} 0.1
# TYPE g gauge
g -%[1]d.5
# HELP h Duration.
# TYPE h histogram
h_bucket{k="v",le="0.5"} %[1]d
h_bucket{k="v",le="1"} %[1]d
h_bucket{k="v",le="+Inf"} %[2]d
h_sum{k="v"} 1.25
h_count{k="v"} %[2]d
# TYPE s summary
s{quantile="0.5"} NaN
s_sum %[1]d
s_count %[1]d
# TYPE u untyped
u %[1]d
# TYPE build_info gauge
build_info{version="1"} 1
# TYPE process_start_time_seconds gauge
process_start_time_seconds 100
`, n, n+1)
	if n%2 == 1 {
		page += "# TYPE odd_total counter\nodd_total 7\n"
	}
	return page
}

// lives plays one schedule of rounds: three workers that grow, reset, fail and lose series, each of whose pages is in
// the format that inProtobuf chooses. It gives the merged pages.
func lives(t *testing.T, inProtobuf func(worker, round int) bool) (pages []string) {
	inWorld(t, func(j *Job) { j.Merge.SummaryQuantiles = "all" }, func(w *world) {
		r := rand.New(rand.NewPCG(1, 2))
		keys := []string{"w1", "w2", "w3"}
		for _, key := range keys {
			w.register(key, "h:"+key)
		}
		w.tell()
		counts := map[string]int{}
		for round := range 40 {
			for i, key := range keys {
				counts[key] += r.IntN(5)
				if r.IntN(10) == 0 {
					counts[key] = r.IntN(3)
				}
				a := answer{page: allTypes(counts[key])}
				if inProtobuf(i, round) {
					a = answer{page: protobufOf(t, a.page), contentType: protobufType}
				}
				if r.IntN(10) == 0 {
					a.page += "\x05"
				}
				w.at("h:"+key, a)
			}
			page, err := w.gather()
			if err != nil {
				pages = append(pages, err.Error())
				continue
			}
			var b strings.Builder
			if err := exposition.EncodeFilled(&b, exposition.Negotiate("application/openmetrics-text;version=1.0.0"), page.Families); err != nil {
				t.Fatal(err)
			}
			pages = append(pages, b.String())
			time.Sleep(time.Second)
		}
	})
	return pages
}

// TestFormatsMergeAlike: whatever format each worker answers in, and however that changes, the merged pages are those
// of text alone, through resets, failures and series that come and go.
func TestFormatsMergeAlike(t *testing.T) {
	want := lives(t, func(int, int) bool { return false })
	all := strings.Join(want, "")
	for _, part := range []string{`fedscrape_workers{state="failed"} 1`, "fedscrape_resets_absorbed_total 30\n", `h_bucket{k="v",le="0.5"}`, "odd_total 119\n"} {
		if !strings.Contains(all, part) {
			t.Fatalf("no page has %s: they test little; the last is\n%s", part, want[39])
		}
	}
	for name, choose := range map[string]func(worker, round int) bool{
		"protobuf":       func(int, int) bool { return true },
		"one of three":   func(worker, _ int) bool { return worker == 1 },
		"in turn":        func(worker, round int) bool { return (worker+round)%2 == 0 },
		"now and then":   func(worker, round int) bool { return round/5%2 == worker%2 },
		"after a deploy": func(_, round int) bool { return round > 20 },
	} {
		t.Run(name, func(t *testing.T) {
			for i, got := range lives(t, choose) {
				if got != want[i] {
					t.Fatalf("page %d is\n%s\nof text\n%s", i, got, want[i])
				}
			}
		})
	}
}

// TestBadProtobufKeepsTheLastSnapshot: nothing good is lost by a page that is none.
func TestBadProtobufKeepsTheLastSnapshot(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		two(w)
		good := protobufOf(t, counter(7, 100))
		w.at("h:2", answer{page: good, contentType: protobufType})
		w.want("x_total", "12")
		w.want("g{worker_id=2}", "7")
		for _, bad := range []string{
			good[:len(good)-3], "\xff\xff\xff\xff\x7f" + good, "\x02\x12\x00" + good, "\x00", good + "\x05abc", counter(8, 100), "",
			strings.Replace(good, "\x1a\x09", "\x12\x09", 1), // the counter's value is a gauge's: no 0, which were a reset
		} {
			w.at("h:2", answer{page: bad, contentType: protobufType})
			w.want("x_total", "12")
			w.want("g{worker_id=2}", "none")
			w.wantStates("1:up 2:failed")
		}
		whole := protobufOf(t, counter(9, 100)+"# TYPE y_total counter\ny_total 1\n")
		w.at("h:2", answer{page: whole, contentType: protobufType})
		w.want("x_total", "14")
		w.want("y_total", "1")
		// Cut between two families, where it is not told how long the page is.
		part := protobufOf(t, counter(10, 100))
		w.at("h:2", answer{page: part, contentType: protobufType, untold: true})
		w.want("x_total", "14")
		w.wantStates("1:up 2:failed")
		w.want("x_total", "15")
		w.wantStates("1:up 2:up")
	})
}

// TestProtobufDuplicates: the first of two series that are one wins, and it is counted.
func TestProtobufDuplicates(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		two(w)
		w.at("h:2", answer{page: protobufOf(t, counter(7, 100)) + protobufOf(t, counter(1000, 0)), contentType: protobufType})
		for range 2 {
			w.want("x_total", "12")
			w.want("fedscrape_conflicts{kind=duplicate}", "1")
		}
	})
}

// TestProtobufOverHTTP scrapes client_golang as it answers where scrape_protocols ask for protobuf, beside one that
// writes text only.
func TestProtobufOverHTTP(t *testing.T) {
	job := &Job{
		Name: "webapp", Merge: merge.NewOptions(), ScrapeTimeout: 10 * time.Second, SweepInterval: time.Hour, Metric: relabel.NewMetric(nil),
	}
	options := scraper.NewOptions()
	options.ScrapeProtocols = []scraper.Protocol{scraper.PrometheusProto, scraper.PrometheusText0_0_4}
	client, err := scraper.NewClient(options)
	if err != nil {
		t.Fatal(err)
	}
	job.Fetcher, job.Close = client, client.Close
	f := New(Options{Logger: slog.New(slog.DiscardHandler), Registerer: prometheus.NewRegistry(), Ledger: ledger.NewMemory()})
	t.Cleanup(f.Close)
	f.Apply([]*Job{job})
	formats := make(chan string, 2)
	var workers []discovery.Worker
	for i := range 2 {
		registry := prometheus.NewRegistry()
		seconds := prometheus.NewHistogram(prometheus.HistogramOpts{Name: "seconds", Help: "Duration.", Buckets: []float64{1, 2}, NativeHistogramBucketFactor: 1.1})
		total := prometheus.NewCounter(prometheus.CounterOpts{Name: "x_total", Help: "Counted."})
		registry.MustRegister(seconds, total)
		seconds.Observe(float64(i) + 1)
		total.Add(float64(i) + 5)
		handler := promhttp.HandlerFor(registry, promhttp.HandlerOpts{})
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if i == 0 {
				r.Header.Del("Accept")
			}
			handler.ServeHTTP(w, r)
			formats <- w.Header().Get("Content-Type")
		}))
		t.Cleanup(server.Close)
		workers = append(workers, discovery.Worker{Key: "w" + strconv.Itoa(i), Target: relabel.Target{
			Identity: relabel.Identity{Job: "webapp", Instance: "web1", WorkerID: strconv.Itoa(i)}, Scheme: "http",
			Address: strings.TrimPrefix(server.URL, "http://"), MetricsPath: "/metrics",
		}})
	}
	t.Cleanup(client.Close)
	f.Update(discovery.Update{Job: "webapp", Workers: workers, Answered: true})
	page, err := f.Gather(t.Context(), "webapp", "web1")
	if err != nil {
		t.Fatal(err)
	}
	if a, b := <-formats, <-formats; strings.HasPrefix(a, "text/plain") == strings.HasPrefix(b, "text/plain") ||
		strings.HasPrefix(a, "application/vnd.google.protobuf") == strings.HasPrefix(b, "application/vnd.google.protobuf") {
		t.Errorf("the workers answered in %q and %q", a, b)
	}
	var b strings.Builder
	if err := exposition.EncodeFilled(&b, exposition.Negotiate("text/plain"), page.Families); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"# HELP x_total Counted.", "x_total 11", `seconds_bucket{le="1.0"} 1`, `seconds_bucket{le="2.0"} 2`, `seconds_bucket{le="+Inf"} 2`,
		"seconds_sum 3", "seconds_count 2", `fedscrape_workers{state="up"} 2`,
	} {
		if !strings.Contains(b.String(), want+"\n") {
			t.Errorf("the page lacks %s:\n%s", want, b.String())
		}
	}
}
