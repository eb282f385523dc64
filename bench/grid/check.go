package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// page is what counts on a page, by line.
type page map[string]float64

// readPage reads a text page without its gauges.
func readPage(text string) (page, error) {
	p, gauge := page{}, false
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		if typ, ok := strings.CutPrefix(line, "# TYPE "); ok {
			gauge = strings.HasSuffix(typ, " gauge")
		}
		if gauge || line == "" || line[0] == '#' || strings.HasPrefix(line, "fedscrape_") {
			continue
		}
		cut := strings.LastIndexByte(line, ' ')
		v, err := strconv.ParseFloat(line[cut+1:], 64)
		if err != nil {
			return nil, fmt.Errorf("read %q: %w", line, err)
		}
		p[line[:cut]] = v
	}
	return p, nil
}

func fetchPage(ctx context.Context, url string) (page, error) {
	text, err := fetch(ctx, url)
	if err != nil {
		return nil, err
	}
	return readPage(string(text))
}

// checkRounds asks for some pages of a fleet whose values move: nothing that counts may fall but a sum (the given fleet's
// do), and where all workers only grow, by 1 at each answer, a line rises by the number of workers that have it, and all
// lines together by all of theirs.
func (b *bench) checkRounds(ctx context.Context, c config, values string) error {
	f, err := b.startFleet(ctx, c, values, 1)
	if err != nil {
		return err
	}
	defer f.stop()
	lines := 0
	for _, port := range f.Ports {
		p, err := fetchPage(ctx, fmt.Sprintf("http://127.0.0.1:%d/metrics", port))
		if err != nil {
			return err
		}
		lines += len(p)
	}
	p, err := b.startProduct(ctx, f, 1, product)
	if err != nil {
		return err
	}
	defer p.stop()
	last, err := fetchPage(ctx, p.url)
	for i := 0; err == nil && i < 5; i++ {
		var now page
		if now, err = fetchPage(ctx, p.url); err == nil {
			err = risen(last, now, values == growing, c.workers, lines)
			last = now
		}
	}
	if err != nil {
		return fmt.Errorf("check %s, %s: %w", c, values, err)
	}
	return nil
}

// risen holds a page against the one before it.
func risen(last, now page, grows bool, workers, lines int) error {
	if len(now) != len(last) {
		return fmt.Errorf("%d lines became %d", len(last), len(now))
	}
	var errs []error
	for name, v := range now {
		rise := v - last[name]
		have := int(math.Round(rise))
		switch {
		case rise < 0 && (grows || !isSum(name)):
			errs = append(errs, fmt.Errorf("%s fell from %v to %v", name, last[name], v))
		case grows && (math.Abs(rise-float64(have)) > 1e-9*v || have < 1 || have > workers):
			errs = append(errs, fmt.Errorf("%s rose from %v to %v, of %d workers", name, last[name], v, workers))
		}
		lines -= have
	}
	if grows && lines != 0 && len(errs) == 0 {
		errs = append(errs, fmt.Errorf("%d lines of workers have not risen", lines))
	}
	return errors.Join(errs[:min(len(errs), 3)]...)
}

func isSum(line string) bool {
	name, _, _ := strings.Cut(line, "{")
	return strings.HasSuffix(name, "_sum")
}
