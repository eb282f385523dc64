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
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
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
	mostWait time.Duration
}

func main() {
	var o options
	flag.StringVar(&o.configs, "config", "", "comma-separated `WORKERSxSERIES`, printed only (all five, written to -docs)")
	flag.BoolVar(&o.quick, "quick", false, "8x1000 and 64x2000 where -config says nothing, 1s each without waiting, printed only")
	flag.BoolVar(&o.scale, "scale", false, "how cost grows with workers, series and instances, first scrapes and deploys")
	flag.BoolVar(&o.noWait, "no-wait", false, "do not wait for an idle machine before each measurement")
	flag.BoolVar(&o.expfmt, "expfmt", false, "the naive expfmt merge too")
	flag.StringVar(&o.product, "product", "", "`PATH` of the product (built from the tree)")
	flag.StringVar(&o.docs, "docs", "docs/performance.md", "`FILE` whose table a whole run replaces")
	flag.StringVar(&o.perf, "perf", "", "record the product with perf(1) into `FILE`.given and FILE.growing, of the last configuration")
	flag.DurationVar(&o.span, "span", 3*time.Second, "how long to ask each peer")
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
		o.noWait, o.span = true, time.Second
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
	if err := b.build(ctx); err != nil {
		return err
	}
	name, text := "grid", ""
	if o.scale {
		name = "scale"
		text, err = b.scaleTables(ctx)
	} else {
		text, err = b.gridTable(ctx)
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
	root string // of the tree
	dir  string // temporary
}

func (b *bench) bin(name string) string { return filepath.Join(b.dir, "bin", name) }

// config is a fleet's size.
type config struct{ workers, series int }

func (c config) String() string { return fmt.Sprintf("%dx%d", c.workers, c.series) }

func (b *bench) configList() (list []config, err error) {
	names := b.configs
	switch {
	case names != "":
	case b.quick:
		names = "8x1000,64x2000"
	default:
		names = "8x1000,16x5000,64x2000,64x10000,256x1000"
	}
	for name := range strings.SplitSeq(names, ",") {
		var c config
		if n, err := fmt.Sscanf(name, "%dx%d", &c.workers, &c.series); n != 2 || err != nil || c.workers < 1 || c.series < 1 {
			return nil, fmt.Errorf("configuration %q: want WORKERSxSERIES", name)
		}
		list = append(list, c)
	}
	return list, nil
}
