package worker_test

import (
	"context"
	"log"
	"net"
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/fedscrape/fedscrape/worker"
)

// A worker that has its metrics served and registered, and says goodbye at its end.
func Example() {
	w, err := worker.Register(context.Background(), worker.Options{
		Job:      "webapp",
		Instance: "web1:8000",
		Gatherer: prometheus.DefaultGatherer,
	})
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = w.Close() }()
	log.Printf("metrics of worker %s at http://%s/metrics", w.WorkerID(), w.Addr())
}

// A worker that serves its metrics itself: it registers the port, and its answers carry the headers that say who it is.
func ExampleWorker_Handler() {
	var config net.ListenConfig
	listener, err := config.Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	w, err := worker.Register(context.Background(), worker.Options{
		Job:      "webapp",
		Port:     listener.Addr().(*net.TCPAddr).Port,
		Gatherer: prometheus.DefaultGatherer,
	})
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = w.Close() }()
	http.Handle("/metrics", w.Handler(promhttp.Handler()))
	log.Print(http.Serve(listener, nil))
}
