package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

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
		// Close would do it, within a second, which can be too short on a busy machine.
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		err = errors.Join(w.Final(ctx), w.Close())
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
