package main

import (
	"context"
	"fmt"
	"os"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/fedscrape/fedscrape/worker"
)

// testBatch is a batch job that counts three items and ends: it is born and gone before any scrape.
func testBatch() {
	items := prometheus.NewCounter(prometheus.CounterOpts{Name: "batch_items_total", Help: "Items."})
	registry := prometheus.NewRegistry()
	registry.MustRegister(items)
	w, err := worker.Register(context.Background(), worker.Options{Gatherer: registry})
	if err == nil {
		items.Add(3)
		err = w.Close()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
