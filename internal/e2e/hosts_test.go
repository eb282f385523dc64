package e2e

import (
	"fmt"
	"io"
	"log"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	prom "github.com/prometheus/client_golang/prometheus"

	"github.com/fedscrape/fedscrape/internal/realbin"
	"github.com/fedscrape/fedscrape/worker"
)

const hosts = 5

// host is one with an agent, a federator and workers, on a loopback address of its own.
type host struct {
	*federator
	number   int
	agent    string
	answered *atomic.Int64 // what discovery got from the agent
}

// example gives a file of examples/hosts for an agent, as fast as a test wants it.
func example(t *testing.T, name, agent string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "examples", "hosts", name))
	if err != nil || !strings.Contains(string(text), "127.0.0.1:8500") {
		t.Fatalf("%v: %s", err, text)
	}
	return strings.NewReplacer("127.0.0.1:8500", agent, ": 5s", ": 1s", ": 15s", ": 1s").Replace(string(text))
}

// counting stands between a federator and its agent.
func counting(t *testing.T, agent string) (address string, answered *atomic.Int64) {
	t.Helper()
	answered = &atomic.Int64{}
	forward := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: agent})
	forward.ModifyResponse = func(r *http.Response) error {
		if !strings.HasPrefix(r.Request.URL.Path, "/v1/agent/") {
			answered.Add(1)
		}
		return nil
	}
	forward.ErrorLog = log.New(io.Discard, "", 0) // a watch ends with its federator
	server := httptest.NewServer(forward)
	t.Cleanup(func() { server.CloseClientConnections(); server.Close() })
	return strings.TrimPrefix(server.URL, "http://"), answered
}

func startHost(t *testing.T, number int, agent string) *host {
	t.Helper()
	proxy, answered := counting(t, agent)
	dir, ledger := t.TempDir(), t.TempDir()
	writeFile(t, filepath.Join(dir, "fedscrape.yml"), example(t, "fedscrape.yml", proxy))
	f := &federator{registry: agent}
	f.start(t, dir, "/-/ready", func(port string) []string {
		args, ip := []string{"serve", "--config.file=fedscrape.yml", "--ledger.path=" + ledger}, fmt.Sprintf("127.0.0.%d", number+1)
		f.url = "http://" + net.JoinHostPort(ip, port)
		switch number {
		case 1: // behind a path, as behind a reverse proxy
			f.url += "/fed"
			args = append(args, "--web.external-url="+f.url)
		case 2: // on all addresses, as by default
			ip = ""
		}
		return append(args, "--web.listen-address="+net.JoinHostPort(ip, port))
	})
	return &host{f, number, agent, answered}
}

// work starts a worker that has counted n, on loopback, as any on a host of its own would.
func (h *host) work(t *testing.T, instance, id string, n int) *worker.Worker {
	t.Helper()
	reg := prom.NewRegistry()
	counter := prom.NewCounter(prom.CounterOpts{Name: "reqs_total", Help: "Requests."})
	reg.MustRegister(counter)
	counter.Add(float64(n))
	w, err := worker.Register(t.Context(), worker.Options{Job: "webapp", Instance: instance, WorkerID: id, Gatherer: reg, Consul: h.agent})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = w.Close() })
	return w
}

// updates is how often discovery has told the federator of a change.
func (h *host) updates(t *testing.T) float64 {
	t.Helper()
	_, page := get(t.Context(), h.url+"/metrics")
	return value(page, `fedscrape_discovery_updates_total{job="webapp"}`)
}

// values gives a query's values by instance.
func (p *prometheus) values(t *testing.T, expr string) map[string]float64 {
	t.Helper()
	out := map[string]float64{}
	for _, r := range p.query(t, expr) {
		name := r.Metric["instance"]
		if _, twice := out[name]; twice || r.Metric["job"] != "webapp" {
			t.Fatalf("%s: %v", expr, r.Metric)
		}
		out[name] = number(r.Value[1])
	}
	return out
}

func (p *prometheus) awaitValues(t *testing.T, expr string, want map[string]float64) {
	t.Helper()
	var got map[string]float64
	defer func() {
		if !maps.Equal(got, want) {
			t.Logf("%s: got %v, want %v", expr, got, want)
		}
	}()
	await(t, expr, func() bool {
		got = p.values(t, expr)
		return maps.Equal(got, want)
	})
}

// ones is 1 for each instance.
func ones(instances map[string]float64) map[string]float64 {
	out := map[string]float64{}
	for name := range instances {
		out[name] = 1
	}
	return out
}

// published is how many instances Consul has of the service fedscrape.
func published(t *testing.T, agent string) int {
	t.Helper()
	_, body := get(t.Context(), "http://"+agent+"/v1/catalog/service/fedscrape")
	return strings.Count(body, `"ServiceID"`)
}

// TestHosts has a federator on each of five nodes, configured as examples/hosts says, and one Prometheus.
func TestHosts(t *testing.T) {
	agents := realbin.ConsulCluster(t, hosts)
	all := make([]*host, hosts)
	sums, workers := map[string]float64{}, map[string]float64{}
	for i, agent := range agents {
		h := startHost(t, i+1, agent.Addr)
		all[i] = h
		name := fmt.Sprintf("web%d:8000", h.number)
		for k := range 2 + i%2 {
			h.work(t, name, strconv.Itoa(k), 10*h.number+k)
			sums[name] += float64(10*h.number + k)
			workers[name]++
		}
	}
	p := &prometheus{realbin.StartPrometheus(t, example(t, "prometheus.yml", agents[hosts-1].Addr))}
	p.awaitValues(t, `reqs_total`, sums)
	p.awaitValues(t, `fedscrape_workers{state="up"}`, workers)
	p.awaitValues(t, `up`, ones(sums))

	onlyOneWakes(t, all, all[2])

	all[3].work(t, "canary:8000", "0", 7)
	sums["canary:8000"] = 7
	p.awaitValues(t, `reqs_total`, sums)

	if err := all[1].end(syscall.SIGTERM); err != nil {
		t.Errorf("SIGTERM: %v", err)
	}
	delete(sums, "web2:8000")
	await(t, "its withdrawal", func() bool { return published(t, agents[0].Addr) == len(sums) })
	p.awaitValues(t, `up`, ones(sums))
	p.awaitValues(t, `reqs_total`, sums)
}

// onlyOneWakes changes who is on one node, twenty times, and counts what the other federators hear of it.
func onlyOneWakes(t *testing.T, all []*host, changing *host) {
	t.Helper()
	const changes = 20
	updates, answered, begun := map[int]float64{}, map[int]int64{}, time.Now()
	for _, h := range all {
		updates[h.number], answered[h.number] = h.updates(t), h.answered.Load()
	}
	for i := range changes / 2 {
		before := changing.updates(t)
		w := changing.work(t, fmt.Sprintf("web%d:8000", changing.number), fmt.Sprint("new", i), 0)
		await(t, "the new worker", func() bool { return changing.updates(t) >= before+1 })
		if err := w.Close(); err != nil {
			t.Error(err)
		}
		await(t, "its end", func() bool { return changing.updates(t) >= before+2 })
	}
	for _, h := range all {
		heard, got := h.updates(t)-updates[h.number], h.answered.Load()-answered[h.number]
		if h == changing {
			if heard < changes || got < changes {
				t.Errorf("the changing host heard %v changes in %d answers", heard, got)
			}
			continue
		}
		// Each of two watches that wait in vain is answered each minute.
		if heard != 0 || got > 2*(1+int64(time.Since(begun)/time.Minute)) {
			t.Errorf("host %d heard %v changes, in %d answers, of another host", h.number, heard, got)
		}
	}
}

func TestHostsExamplePassesPromtool(t *testing.T) {
	if out, err := promtool(t, "", "check", "config", filepath.Join("..", "..", "examples", "hosts", "prometheus.yml")); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}
