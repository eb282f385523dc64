package python_test

import (
	"compress/gzip"
	"io"
	"net"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/fedscrape/fedscrape/worker"
)

func TestRegistrationHasTheFieldsOfTheTable(t *testing.T) {
	p := newPeer(t, nil)
	proc := python(t, p, "CONSUL_HTTP_TOKEN=secret")
	proc.start(t)
	c := p.await(t, "register", 1)
	reg := parseRegistration(t, c)
	host, _ := os.Hostname()
	pid := strconv.Itoa(proc.cmd.Process.Pid)
	if prefix := "webapp-" + host + "-" + pid + "-"; !strings.HasPrefix(reg.ID, prefix) || len(reg.ID) != len(prefix)+8 {
		t.Errorf("ID %q, want %s and 8 hex digits", reg.ID, prefix)
	}
	if reg.Name != "webapp" || reg.ID != proc.do(t, "w.service_id") || !slices.Equal(reg.Tags, []string{"fedscrape"}) ||
		reg.Address != "127.0.0.1" || strconv.Itoa(reg.Port) != proc.do(t, "w.port") {
		t.Errorf("registration %+v", reg)
	}
	for key, want := range map[string]string{
		"instance": "web1:8000", "worker_id": "0", "pid": pid, "metrics_path": "/metrics", "scheme": "http",
		"start_time": proc.do(t, "prometheus_client.REGISTRY.get_sample_value('process_start_time_seconds')"),
	} {
		if reg.Meta[key] != want {
			t.Errorf("meta %s is %q, want %q", key, reg.Meta[key], want)
		}
	}
	want := map[string]string{"TTL": "15s", "Status": "passing", "DeregisterCriticalServiceAfter": "1m"}
	for key, value := range want {
		if reg.Check[key] != value {
			t.Errorf("check %s is %q, want %q", key, reg.Check[key], value)
		}
	}
	if got := c.header.Get("X-Consul-Token"); got != "secret" {
		t.Errorf("token %q", got)
	}
}

func TestHeartbeatAndRegistrationAfterTheAgentForgot(t *testing.T) {
	p := newPeer(t, nil)
	proc := python(t, p)
	proc.do(t, "fw.TTL = 0.15")
	proc.start(t)
	p.await(t, "pass", 2)
	p.script(func(c call) int {
		if c.what == "pass" {
			p.script(nil)
			return http.StatusNotFound
		}
		return 0
	})
	again := p.await(t, "register", 2)
	if first := p.of("register")[0]; again.body != first.body {
		t.Errorf("registered again as\n%s, was\n%s", again.body, first.body)
	}
	p.await(t, "pass", len(p.of("pass"))+1)
}

func TestStartIsIdempotentAndNeverRaises(t *testing.T) {
	p := newPeer(t, nil)
	proc := python(t, p)
	proc.start(t)
	if proc.do(t, "fw.start('other') is w") != "true" {
		t.Error("the second start gives another worker")
	}
	proc.do(t, "w.close(); w.close()")
	if _, err := proc.end(t); err != nil || len(p.of("register")) != 1 || len(p.of("deregister")) != 1 {
		t.Errorf("exit %v, %d registrations, %d deregistrations", err, len(p.of("register")), len(p.of("deregister")))
	}
	f := func(want string, env ...string) {
		t.Helper()
		proc := python(t, p, env...)
		if port := proc.do(t, "fw.start().port"); port != "0" {
			t.Errorf("%v: port %s", env, port)
		}
		if _, err := proc.end(t); err != nil || !strings.Contains(proc.stderr.String(), want) {
			t.Errorf("%v: exit %v, log %s, want %q", env, err, proc.stderr, want)
		}
	}
	f("no job")
	f("", "FEDSCRAPE_JOB=webapp", "FEDSCRAPE_DISABLE=1")
	f("unix sockets are not supported", "FEDSCRAPE_JOB=webapp", "CONSUL_HTTP_ADDR=unix:///run/consul.sock")
	f("serve the metrics at 192.0.2.1:0: ", "FEDSCRAPE_JOB=webapp", "FEDSCRAPE_ADDRESS=192.0.2.1")
	if n := len(p.of("register")); n != 1 {
		t.Errorf("%d registrations, want no further one", n)
	}
}

func TestWildcardIsNeverBound(t *testing.T) {
	p := newPeer(t, nil)
	proc := python(t, p, "FEDSCRAPE_ADDRESS=0.0.0.0", "PROMETHEUS_MULTIPROC_DIR=")
	proc.start(t)
	if reg := parseRegistration(t, p.await(t, "register", 1)); reg.Address != "127.0.0.1" {
		t.Errorf("address %s", reg.Address)
	}
}

func TestMultiprocessModeIsWarnedOf(t *testing.T) {
	p := newPeer(t, nil)
	proc := python(t, p, "PROMETHEUS_MULTIPROC_DIR="+t.TempDir())
	url := proc.start(t)
	proc.do(t, "prometheus_client.Counter('reqs', 'h').inc(3)")
	if page := fetch(t, http.MethodGet, url, nil).body; !strings.Contains(page, "\nreqs_total 3.0\n") {
		t.Errorf("page:\n%s", page)
	}
	if _, err := proc.end(t); err != nil || !strings.Contains(proc.stderr.String(), "PROMETHEUS_MULTIPROC_DIR is set: unset it") {
		t.Errorf("exit %v, log %s", err, proc.stderr)
	}
}

const metrics = `
c = prometheus_client.Counter('reqs', 'Requests.', ['view']); c.labels('fi"r\\\\e\\n').inc(3)
h = prometheus_client.Histogram('lat', 'Latency.', buckets=(0.5, 1)); h.observe(0.7)
s = prometheus_client.Summary('size', 'Size.'); s.observe(9)
g = prometheus_client.Gauge('inprogress', 'In progress.', multiprocess_mode='livesum'); g.set(2)
d = prometheus_client.Gauge('plain', 'Default mode.', ['a']); d.labels('b').set(4)
i = prometheus_client.Info('build', 'Build.'); i.info({'version': '1'})
`

func TestPageIsTheLibrarysOwn(t *testing.T) {
	p := newPeer(t, nil)
	proc := python(t, p)
	url := proc.start(t)
	proc.do(t, metrics)
	lines := func(page string) []string { // what does not change by itself, and is not left out
		return slices.DeleteFunc(strings.Split(page, "\n"), func(line string) bool {
			return strings.HasPrefix(line, "process_") || strings.HasPrefix(line, "python_gc") || strings.Contains(line, "_created")
		})
	}
	f := func(accept, library, contentType string) {
		t.Helper()
		page := fetch(t, http.MethodGet, url, map[string]string{"Accept": accept})
		own := strings.NewReplacer(`\n`, "\n", `\"`, `"`, `\\`, `\`).Replace(proc.do(t, library+"(prometheus_client.REGISTRY).decode()"))
		got, want := lines(page.body), lines(own)
		hints := []string{
			"# HELP fedscrape_gauge_mode How the gauges of several workers become one.", "# TYPE fedscrape_gauge_mode gauge",
			`fedscrape_gauge_mode{metric="inprogress",mode="livesum"} 1.0`,
		}
		got = slices.DeleteFunc(got, func(line string) bool { return slices.Contains(hints, line) })
		if !slices.Equal(got, want) {
			t.Errorf("Accept %q: got\n%s\nwant\n%s", accept, strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
		for _, hint := range hints {
			if strings.Count(page.body, hint+"\n") != 1 {
				t.Errorf("Accept %q: no line %s", accept, hint)
			}
		}
		if strings.Contains(page.body, `metric="plain"`) {
			t.Error("the library's default is given as a hint")
		}
		if got := page.header.Get("Content-Type"); !strings.HasPrefix(got, contentType) {
			t.Errorf("Accept %q: Content-Type %q", accept, got)
		}
	}
	const text, openMetrics = "prometheus_client.generate_latest", "prometheus_client.openmetrics.exposition.generate_latest"
	f("", text, "text/plain")
	f("application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5", openMetrics, "application/openmetrics-text")
	f("application/openmetrics-text;version=2.0.0,text/plain;version=0.0.4;q=0.5", text, "text/plain")
}

func TestServerAnswersAsAWorker(t *testing.T) {
	p := newPeer(t, nil)
	proc := python(t, p)
	url := proc.start(t)
	start := proc.do(t, "prometheus_client.REGISTRY.get_sample_value('process_start_time_seconds')")
	f := func(method, path string, status int) {
		t.Helper()
		got := fetch(t, method, strings.TrimSuffix(url, "/metrics")+path, nil)
		if got.status != status || got.header.Get("X-Fedscrape-Worker") != proc.do(t, "w.service_id") ||
			got.header.Get("X-Fedscrape-Start") != start {
			t.Errorf("%s %s: %+v", method, path, got)
		}
	}
	f(http.MethodGet, "/metrics", 200)
	f(http.MethodHead, "/metrics?x=y", 200)
	f(http.MethodGet, "/", 404)
	f(http.MethodPost, "/metrics", 501)
	zipped := fetch(t, http.MethodGet, url, map[string]string{"Accept-Encoding": "gzip"})
	reader, err := gzip.NewReader(strings.NewReader(zipped.body))
	if err != nil || zipped.header.Get("Content-Encoding") != "gzip" {
		t.Fatalf("gzip: %v %v", err, zipped.header)
	}
	if page, err := io.ReadAll(reader); err != nil || !strings.Contains(string(page), "process_start_time_seconds") {
		t.Errorf("gzip: %v", err)
	}
	proc.do(t, `class Broken:
  def describe(self): return []
  def collect(self): raise ValueError('broken collector')
prometheus_client.REGISTRY.register(Broken())`)
	if got := fetch(t, http.MethodGet, url, nil); got.status != 500 || !strings.Contains(got.body, "broken collector") {
		t.Errorf("broken collector: %+v", got)
	}
}

func TestSlowReadersCannotPileUp(t *testing.T) {
	p := newPeer(t, nil)
	proc := python(t, p)
	url := proc.start(t)
	for range 100 {
		conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", "127.0.0.1:"+proc.do(t, "w.port"))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close() })
		_, _ = io.WriteString(conn, "GET /metr")
	}
	for range 3 {
		fetch(t, http.MethodGet, url, nil)
	}
	eventually(t, "threads to end", func() bool { // one that has made room has not ended yet
		n, err := strconv.Atoi(proc.do(t, "threading.active_count()"))
		return err == nil && n <= 16+3
	})
}

func TestSlotsAreStableAndSharedWithGo(t *testing.T) {
	p := newPeer(t, nil)
	workerID := func(n int) string {
		t.Helper()
		return parseRegistration(t, p.await(t, "register", n)).Meta["worker_id"]
	}
	a, b := python(t, p), python(t, p)
	a.start(t)
	b.start(t)
	if workerID(1) != "0" || workerID(2) != "1" {
		t.Errorf("slots %s and %s, want 0 and 1", workerID(1), workerID(2))
	}
	t.Setenv("TMPDIR", tempDir(t))
	w, err := worker.Register(t.Context(), worker.Options{
		Job: "webapp", Instance: "web1:8000", Consul: p.URL, Gatherer: prometheus.NewRegistry(),
	})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = w.Close() }()
	if w.WorkerID() != "2" {
		t.Errorf("the Go worker has slot %s, want 2", w.WorkerID())
	}
	a.kill()
	c := python(t, p)
	c.start(t)
	if got := workerID(4); got != "0" {
		t.Errorf("the successor of slot 0 has %s", got)
	}
}

// The Go package worker has the same cases.
func TestFileName(t *testing.T) {
	proc := python(t, newPeer(t, nil))
	f := func(text, want string) {
		t.Helper()
		if got := proc.do(t, "fw._file_name('"+text+"')"); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
	f("web-1.example_x", "web-1.example_x")
	f("web1:8000/é@", "web1%3A8000%2F%C3%A9%40")
	f(strings.Repeat("a", 101), strings.Repeat("a", 64)+"9d0793397991b57a99a07c6e6b4a92ba")
}
