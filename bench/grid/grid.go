package main

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// row is one peer's line of the table.
type row struct {
	name, variant, values string
}

// The variants that are none of bench/naive.
const (
	product  = "product"
	inMemory = "product without a ledger on disk"
)

func (b *bench) rows() []row {
	rows := []row{
		{"floor", "floor-raw", given},
		{"floor through net/http", "floor", given},
		{"**fedscrape**, as given", product, given},
		{"textparse", "textparse", given},
		{"**fedscrape**, growing", product, growing},
		{"the same without a ledger on disk", inMemory, growing},
	}
	if b.expfmt {
		rows = append(rows, row{"expfmt", "expfmt", given})
	}
	return rows
}

// cell is a measurement and the floor of the same fleet.
type cell struct{ figures, floor figures }

func (c cell) String() string {
	return fmt.Sprintf("%s ms, **%sx**; CPU %s, %sx; %.0f MB, %sx", number(c.figures.Med), number(c.figures.Med/c.floor.Med),
		number(c.figures.CPU), number(c.figures.CPU/c.floor.CPU), c.figures.RSS, number(c.figures.RSS/c.floor.RSS))
}

// number has three digits.
func number(v float64) string {
	switch {
	case v >= 100:
		return fmt.Sprintf("%.0f", v)
	case v >= 10:
		return fmt.Sprintf("%.1f", v)
	}
	return fmt.Sprintf("%.2f", v)
}

func (b *bench) gridTable(ctx context.Context, configs []config) (string, error) {
	lines := map[string][]string{}
	for _, c := range configs {
		cells, f, err := b.column(ctx, c)
		if err != nil {
			return "", fmt.Errorf("%s: %w", c, err)
		}
		v, err := b.verify(ctx, c)
		if err != nil {
			return "", err
		}
		lines[""] = append(lines[""], c.String())
		for r, cell := range cells {
			lines[r.name] = append(lines[r.name], cell.String())
		}
		lines[pages] = append(lines[pages], fmt.Sprintf("%.1f MB, %d samples, %s ms", float64(f.Bytes)/1e6, f.Samples, number(cells[b.rows()[0]].figures.Fleet)))
		lines[sums] = append(lines[sums], fmt.Sprintf("%d right, %d wrong, %d missing", v.Right, v.Wrong, v.Missing))
	}
	table := [][]string{lines[""]}
	for _, r := range b.rows() {
		table = append(table, append([]string{r.name}, lines[r.name]...))
	}
	table[0] = append([]string{""}, table[0]...)
	return markdown(append(table, append([]string{pages}, lines[pages]...), append([]string{sums}, lines[sums]...))), nil
}

const (
	pages = "pages, CPU of the fleet"
	sums  = "sums of fedscrape"
)

// markdown writes a table whose first row is the head.
func markdown(rows [][]string) string {
	var text strings.Builder
	for i, cells := range rows {
		text.WriteString("| " + strings.Join(cells, " | ") + " |\n")
		if i == 0 {
			text.WriteString(strings.Repeat("| --- ", len(cells)) + "|\n")
		}
	}
	return text.String()
}

// column measures one configuration, with a fleet of its own each time: the peers in turn, the floor before and after each of
// them.
func (b *bench) column(ctx context.Context, c config) (cells map[row]cell, about *fleet, err error) {
	cells = map[row]cell{}
	for _, values := range []string{given, growing} {
		m := measured{rows: map[row][]figures{}}
		for range max(1, b.times) {
			f, err := b.startFleet(ctx, c, values, 1)
			if err != nil {
				return nil, nil, err
			}
			err = b.peers(ctx, c, values, f, &m)
			f.stop()
			if err != nil {
				return nil, nil, err
			}
			if values == given {
				about = f
			}
		}
		floor := median(m.floors)
		for r, all := range m.rows {
			cells[r] = cell{median(all), floor}
		}
		if values == given {
			cells[b.rows()[0]] = cell{floor, floor}
		}
	}
	return cells, about, nil
}

// measured is what was, of fleets that are alike.
type measured struct {
	floors []figures
	rows   map[row][]figures
}

// peers measures those of the product each time, the others once.
func (b *bench) peers(ctx context.Context, c config, values string, f *fleet, m *measured) error {
	floor := func() (figures, error) {
		one, err := b.one(ctx, "floor-raw", values, f)
		m.floors = append(m.floors, one)
		return one, err
	}
	if _, err := floor(); err != nil {
		return err
	}
	for _, r := range b.rows() {
		if r.values != values || r.variant == "floor-raw" || r.variant != product && len(m.rows[r]) > 0 {
			continue
		}
		one, err := b.one(ctx, r.variant, values, f)
		if err != nil {
			return err
		}
		m.rows[r] = append(m.rows[r], one)
		again, err := floor()
		if err != nil {
			return err
		}
		fmt.Fprintf(os.Stderr, "%s %s: %s; floor %s; %d GETs, %s to %s ms\n", c, r.name,
			cell{one, median(m.floors)}, number(again.Med), one.N, number(one.Min), number(one.Max))
	}
	return nil
}

// one starts a peer, measures it and stops it.
func (b *bench) one(ctx context.Context, variant, values string, f *fleet) (m figures, err error) {
	var p *peer
	switch variant {
	case product, inMemory:
		p, err = b.startProduct(ctx, f, 1, variant)
	default:
		p, err = b.startNaive(ctx, variant, f)
	}
	if err != nil {
		return m, err
	}
	defer p.stop()
	if variant == product {
		stop, err := b.record(ctx, p, values)
		if err != nil {
			return m, err
		}
		defer stop()
	}
	return b.measure(ctx, p, f)
}

// record lets perf look at the product until it is stopped, where that is asked for.
func (b *bench) record(ctx context.Context, p *peer, what string) (stop func(), err error) {
	if b.perf == "" {
		return func() {}, nil
	}
	perf, err := b.start(ctx, b.root, false, "perf", "record", "-q", "-e", "cpu-clock", "-F", "499", "-g",
		"-o", b.perf+"."+what, "-p", strconv.Itoa(p.pid()))
	if err != nil {
		return nil, fmt.Errorf("run perf: %w", err)
	}
	select {
	case <-ctx.Done():
	case <-time.After(500 * time.Millisecond): // it does not say when it has attached
	}
	return perf.stop, ctx.Err()
}
