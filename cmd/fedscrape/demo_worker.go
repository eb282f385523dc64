package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/urfave/cli/v2"

	"github.com/fedscrape/fedscrape/worker"
)

const demoWorkerName = "demo-worker"

// demoWorkerCommand is one worker process of the demo: it counts requests that nobody sends.
func demoWorkerCommand() *cli.Command {
	return &cli.Command{
		Name: demoWorkerName, Hidden: true, Usage: "a worker process of the demo",
		Action: func(c *cli.Context) error { return runDemoWorker(c.Context, c.App.Reader, c.App.ErrWriter) },
	}
}

// demoApp is what a worker measures.
type demoApp struct {
	requests *prometheus.CounterVec
	latency  *prometheus.HistogramVec
	inFlight prometheus.Gauge
}

func newDemoApp(reg prometheus.Registerer) *demoApp {
	a := &demoApp{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "demo_requests_total", Help: "Requests that the demo pretends to have served.",
		}, []string{"path", "code"}),
		latency: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "demo_request_duration_seconds", Help: "How long they took.", Buckets: prometheus.DefBuckets,
		}, []string{"path"}),
		inFlight: prometheus.NewGauge(prometheus.GaugeOpts{Name: "demo_in_flight_requests", Help: "Requests under way."}),
	}
	hint := prometheus.NewGaugeVec(prometheus.GaugeOpts{ //nolint:promlinter // the name is fedscrape's word to workers
		Name: "fedscrape_gauge_mode", Help: "How fedscrape is to merge a gauge.",
	}, []string{"metric", "mode"})
	hint.WithLabelValues("demo_in_flight_requests", "livesum").Set(1)
	reg.MustRegister(a.requests, a.latency, a.inFlight, hint)
	return a
}

func (a *demoApp) serve() {
	path := [...]string{"/", "/fire", "/water"}[rand.IntN(3)]
	code := "200"
	if rand.IntN(20) == 0 {
		code = "500"
	}
	a.requests.WithLabelValues(path, code).Inc()
	a.latency.WithLabelValues(path).Observe(rand.ExpFloat64() / 20)
	a.inFlight.Set(float64(rand.IntN(4)))
}

// runDemoWorker works until the pipe from the demo ends. Signals are the demo's: a terminal sends them to all.
func runDemoWorker(ctx context.Context, parent io.Reader, stderr io.Writer) error {
	signal.Ignore(os.Interrupt, syscall.SIGTERM)
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	go func() { // ends with the pipe, which ends with the demo
		_, _ = io.Copy(io.Discard, parent)
		cancel()
	}()
	reg := prometheus.NewRegistry()
	reg.MustRegister(collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), collectors.NewGoCollector())
	app := newDemoApp(reg)
	w, err := worker.Register(ctx, worker.Options{
		Job: "demo", Instance: "demo-app", Gatherer: reg, Logger: slog.New(slog.NewTextHandler(stderr, nil)),
	})
	if err != nil {
		return fmt.Errorf("register the demo's worker: %w", err)
	}
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return w.Close()
		case <-ticker.C:
			app.serve()
		}
	}
}
