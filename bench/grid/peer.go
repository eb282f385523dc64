package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// peer is something that answers with a fleet's pages.
type peer struct {
	*process
	base string // address, of the product
	dir  string // with its configuration, of the product
	url  string // what to ask
}

// startNaive starts one of the yardsticks in bench/naive.
func (b *bench) startNaive(ctx context.Context, variant string, f *fleet) (*peer, error) {
	p, err := b.start(ctx, f.dir, true, b.bin("naive"), "serve", "-variant", variant, "-urls", f.urls(), "-listen", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	var said struct{ URL string }
	if err := json.Unmarshal([]byte(p.first), &said); err != nil {
		p.stop()
		return nil, err
	}
	return &peer{process: p, url: said.URL}, nil
}

// startProduct starts the product with bench/fedscrape.yml and a new ledger, and waits until it knows the fleet.
func (b *bench) startProduct(ctx context.Context, f *fleet, instances int, variant string) (*peer, error) {
	dir, err := os.MkdirTemp(b.dir, "product-")
	if err != nil {
		return nil, err
	}
	configuration, err := os.ReadFile(filepath.Join(b.root, "bench", "fedscrape.yml"))
	if err != nil {
		return nil, err
	}
	name := filepath.Join(dir, "fedscrape.yml")
	if err := errors.Join(os.WriteFile(name, configuration, 0o600), f.writeTargets(dir, instances)); err != nil {
		return nil, err
	}
	address, err := freeAddress(ctx)
	if err != nil {
		return nil, err
	}
	ledger := filepath.Join(dir, "ledger")
	if variant == inMemory {
		ledger = ""
	}
	p, err := b.start(ctx, dir, false, b.product, "serve", "--config.file", name, "--web.listen-address", address,
		"--ledger.path", ledger, "--log.level", "warn")
	if err != nil {
		return nil, err
	}
	product := &peer{process: p, base: "http://" + address, dir: dir}
	product.url = product.merged(0)
	if err := product.await(ctx, f); err != nil {
		product.stop()
		return nil, fmt.Errorf("%w: %s", err, p.tail())
	}
	return product, nil
}

func (p *peer) merged(instance int) string {
	return p.base + "/merged?job=webapp&instance=" + instanceName(instance)
}

// await returns once the product knows the whole fleet. Workers that went stay until a round has missed them.
func (p *peer) await(ctx context.Context, f *fleet) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for {
		known, err := p.workers(ctx)
		missing := slices.ContainsFunc(f.Ports, func(port int) bool { return !known["127.0.0.1:"+strconv.Itoa(port)] })
		if err == nil && !missing {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait until the product knows %d workers, it knows %d: %w", len(f.Ports), len(known), errors.Join(err, ctx.Err()))
		case <-time.After(2 * time.Millisecond): // what is measured may begin then
		}
	}
}

// roundTook gives the milliseconds that the product's rounds took so far, on average.
func (p *peer) roundTook(ctx context.Context) (float64, error) {
	text, err := fetch(ctx, p.base+"/metrics")
	if err != nil {
		return 0, err
	}
	sum, count := 0.0, 0.0
	for line := range strings.Lines(string(text)) {
		_, _ = fmt.Sscanf(line, `fedscrape_round_duration_seconds_sum{job="webapp"} %f`, &sum)
		_, _ = fmt.Sscanf(line, `fedscrape_round_duration_seconds_count{job="webapp"} %f`, &count)
	}
	if count == 0 {
		return 0, errors.New("the product has made no round by itself within a second")
	}
	return sum / count * 1e3, nil
}

func (p *peer) workers(ctx context.Context) (map[string]bool, error) {
	text, err := fetch(ctx, p.base+"/sd/workers")
	if err != nil {
		return nil, err
	}
	var groups []struct{ Targets []string }
	err = json.Unmarshal(text, &groups)
	known := map[string]bool{}
	for _, g := range groups {
		for _, target := range g.Targets {
			known[target] = true
		}
	}
	return known, err
}

var client = &http.Client{Timeout: time.Minute, Transport: &http.Transport{MaxIdleConnsPerHost: atOnce, DisableCompression: true}}

func freeAddress(ctx context.Context) (string, error) {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}
