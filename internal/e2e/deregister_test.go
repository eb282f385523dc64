package e2e

import (
	"net"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"

	prom "github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/fedscrape/fedscrape/worker"
)

// silent is a worker that says no goodbye.
type silent struct {
	*worker.Worker
	server *httptest.Server
	reqs   prom.Counter
	asked  atomic.Int64
}

func startSilent(t *testing.T, f *federator, id string) *silent {
	t.Helper()
	w := &silent{reqs: prom.NewCounter(prom.CounterOpts{Name: "reqs_total", Help: "Requests."})}
	registry := prom.NewRegistry()
	registry.MustRegister(w.reqs, collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	pages := promhttp.HandlerFor(registry, promhttp.HandlerOpts{})
	w.server = httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		pages.ServeHTTP(rw, r)
		w.asked.Add(1)
	}))
	t.Cleanup(w.server.Close)
	var err error
	w.Worker, err = worker.Register(t.Context(), worker.Options{
		Job: "webapp", Instance: "web1:8000", WorkerID: id, Address: "127.0.0.1", Port: w.server.Listener.Addr().(*net.TCPAddr).Port,
		Gatherer: registry, Consul: f.registry,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = w.Close() })
	return w
}

// TestWorkerThatOnlyDeregisters has workers come and go while nobody asks for a page. What one counts before it goes is not lost,
// although it says no goodbye.
func TestWorkerThatOnlyDeregisters(t *testing.T) {
	registries(t, func(t *testing.T, consul string) {
		f := serve(t, consul, "    sweep_interval: 1h\n")
		_ = startSilent(t, f, "a")
		f.awaitWorkers(t, 1)
		b := startSilent(t, f, "b")
		await(t, "the new worker to be asked", func() bool { return b.asked.Load() == 1 })
		b.reqs.Add(7)
		if err := b.Close(); err != nil {
			t.Fatal(err)
		}
		await(t, "the worker that goes to be asked", func() bool { return b.asked.Load() == 2 })
		b.server.Close()
		f.awaitWorkers(t, 1)
		_, page := get(t.Context(), f.merged())
		if got := value(page, "reqs_total"); got != 7 {
			t.Errorf("%v requests are left of 7:\n%s", got, page)
		}
	})
}
