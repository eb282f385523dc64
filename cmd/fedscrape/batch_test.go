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
	if err := batch(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func batch() error {
	items := prometheus.NewCounter(prometheus.CounterOpts{Name: "batch_items_total", Help: "Items."})
	registry := prometheus.NewRegistry()
	registry.MustRegister(items)
	w, err := worker.Register(context.Background(), worker.Options{Gatherer: registry})
	if err != nil {
		return err
	}
	items.Add(3)
	// Close would hand it in as well, within a second, which can be too short on a busy machine.
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	return errors.Join(w.Final(ctx), w.Close())
}
