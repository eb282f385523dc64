// Command grid measures the product against the floor: what it takes to merge a fleet's pages beside what it takes to
// fetch them and throw them away, in one run on one machine.
//
//	go run ./bench/grid                           the five configurations, into docs/performance.md
//	go run ./bench/grid -scale                    how cost grows, into docs/performance.md
//	go run ./bench/grid -config 64x2000 -quick    one configuration in seconds, printed only
//
// It builds the fleet, the driver, the yardsticks and the product from the tree that it is run in.
package main

import (
	"cmp"
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

type options struct {
	configs  string
	quick    bool
	scale    bool
	noWait   bool
	expfmt   bool
	product  string
	docs     string
	perf     string
	span     time.Duration
	times    int
	mostWait time.Duration
}

func main() {
	var o options
	flag.StringVar(&o.configs, "config", "", "comma-separated `WORKERSxSERIES`, of -scale also WORKERSxSERIESxINSTANCES; printed only (all of them, written to -docs)")
	flag.BoolVar(&o.quick, "quick", false, "1s each without waiting, printed only; 8x1000 and 64x2000 where -config says nothing")
	flag.BoolVar(&o.scale, "scale", false, "how cost grows with workers, series and instances, first scrapes and deploys")
	flag.BoolVar(&o.noWait, "no-wait", false, "do not wait for an idle machine before each measurement")
	flag.BoolVar(&o.expfmt, "expfmt", false, "the naive expfmt merge too")
	flag.StringVar(&o.product, "product", "", "`PATH` of the product (built from the tree)")
	flag.StringVar(&o.docs, "docs", "docs/performance.md", "`FILE` whose table a whole run replaces")
	flag.StringVar(&o.perf, "perf", "", "record the product with perf(1) into `FILE`.given and FILE.growing, with -scale FILE.deploy, of the last configuration")
	flag.DurationVar(&o.span, "span", 3*time.Second, "how long to ask each peer")
	flag.IntVar(&o.times, "times", 3, "how often to start fleet and product; the medians are told")
	flag.DurationVar(&o.mostWait, "most-wait", 2*time.Minute, "wait so long at most for an idle machine")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, o, os.Stdout)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "grid:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, o options, out io.Writer) (err error) {
	whole := !o.quick && o.configs == ""
	if o.quick {
		o.noWait, o.span, o.times = true, time.Second, 1
	}
	dir, err := os.MkdirTemp("", "fedscrape-grid-")
	if err != nil {
		return err
	}
	defer func() {
		if e := os.RemoveAll(dir); err == nil {
			err = e
		}
	}()
	b := &bench{options: o, dir: dir}
	configs, err := parseConfigs(cmp.Or(o.configs, b.defaults()))
	if err != nil {
		return err
	}
	if err := b.build(ctx); err != nil {
		return err
	}
	name, text := "grid", ""
	if o.scale {
		name = "scale"
		text, err = b.scaleTable(ctx, configs)
	} else {
		text, err = b.gridTable(ctx, configs)
	}
	if err != nil {
		return err
	}
	text += "\n" + b.provenance(ctx)
	fmt.Fprintln(out, text)
	if !whole {
		return nil
	}
	return replaceSection(filepath.Join(b.root, o.docs), name, text)
}

// bench is one run.
type bench struct {
	options
	root string  // of the tree
	dir  string  // temporary
	busy float64 // the largest share of the machine that others had before a measurement
}

func (b *bench) bin(name string) string { return filepath.Join(b.dir, "bin", name) }

// defaults are the configurations of a run that names none.
func (b *bench) defaults() string {
	switch {
	case b.quick:
		return "8x1000,64x2000"
	case b.scale:
		return "8x500,32x500,128x500,512x500,1024x500,16x100,16x1000,16x10000,16x50000,64x2000,64x10000," +
			"1000x100,1000x100x10,1000x100x100,1000x100x1000"
	}
	return "8x1000,16x5000,64x2000,64x10000,256x1000"
}

// config is a fleet's size, and over how many instances of the product it is spread.
type config struct{ workers, series, instances int }

func (c config) String() string {
	if c.instances > 1 {
		return fmt.Sprintf("%dx%d in %d instances", c.workers, c.series, c.instances)
	}
	return fmt.Sprintf("%dx%d", c.workers, c.series)
}

// parseConfigs reads WORKERSxSERIES, or WORKERSxSERIESxINSTANCES, with commas between.
func parseConfigs(text string) (list []config, err error) {
	for name := range strings.SplitSeq(text, ",") {
		var n []int
		for part := range strings.SplitSeq(name, "x") {
			i, err := strconv.Atoi(part)
			if err != nil || i < 1 {
				n = nil
				break
			}
			n = append(n, i)
		}
		switch len(n) {
		case 2:
			list = append(list, config{n[0], n[1], 1})
		case 3:
			list = append(list, config{n[0], n[1], n[2]})
		default:
			return nil, fmt.Errorf("configuration %q: want WORKERSxSERIES, or with xINSTANCES", name)
		}
	}
	return list, nil
}
