package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
)

// figures are what drive get says of a peer: milliseconds and megabytes.
type figures struct {
	N     int     `json:"n"`
	Min   float64 `json:"ms_min"`
	Med   float64 `json:"ms_med"`
	Max   float64 `json:"ms_max"`
	CPU   float64 `json:"cpu_ms"`
	Fleet float64 `json:"fleet_cpu_ms"`
	RSS   float64 `json:"peak_rss_MB"`
	Fails int     `json:"fails"`
	Error string  `json:"error"`
}

func (b *bench) drive(ctx context.Context, into any, args ...string) error {
	text, err := output(ctx, "", b.bin("drive"), args...)
	if err != nil {
		return err
	}
	return json.Unmarshal([]byte(text), into)
}

// quiet waits until nothing else uses the machine.
func (b *bench) quiet(ctx context.Context) error {
	if b.noWait {
		return nil
	}
	var got struct{ Idle float64 }
	err := b.drive(ctx, &got, "quiet", "-most", b.mostWait.String())
	b.busy = max(b.busy, 1-got.Idle)
	return err
}

// measure asks a peer again and again once the machine is idle.
func (b *bench) measure(ctx context.Context, p *peer, f *fleet) (m figures, err error) {
	if err := b.quiet(ctx); err != nil {
		return m, err
	}
	err = b.drive(ctx, &m, "get", "-url", p.url, "-pid", strconv.Itoa(p.pid()), "-fleet", strconv.Itoa(f.pid()), "-span", b.span.String())
	if err == nil && (m.Error != "" || m.Fails > 0) {
		err = fmt.Errorf("ask %s: %d failed: %s %s", p.url, m.Fails, m.Error, p.tail())
	}
	return m, err
}

// median is the measurement in the middle, by time, with the median of what else is told.
func median(all []figures) figures {
	all = slices.SortedFunc(slices.Values(all), func(a, b figures) int { return cmp.Compare(a.Med, b.Med) })
	m := all[len(all)/2]
	var cpu, rss []float64
	for _, one := range all {
		cpu, rss = append(cpu, one.CPU), append(rss, one.RSS)
	}
	m.CPU, m.RSS = mid(cpu), mid(rss)
	return m
}

// cpuSeconds is the time that a process has spent, user and system.
func cpuSeconds(pid int) float64 {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return math.NaN()
	}
	fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
	user, _ := strconv.ParseFloat(fields[11], 64)
	system, _ := strconv.ParseFloat(fields[12], 64)
	return (user + system) / 100
}

// checked is what drive verify says of a page.
type checked struct {
	Right      int      `json:"right"`
	Wrong      int      `json:"wrong"`
	Missing    int      `json:"missing"`
	Duplicates int      `json:"duplicates"`
	Gauges     int      `json:"gauge_series"`
	NoGauges   int      `json:"gauges_missing"`
	Changed    int      `json:"types_changed"`
	Unparsable []string `json:"unparsable"`
	Examples   []string `json:"examples"`
	Error      string   `json:"error"`
}

// relabeledGauges is how many gauges the metric_relabel_configs of bench/fedscrape.yml drop or rename.
const relabeledGauges = 3

// verify checks the product's sums: those of a fleet that stands still against drive's, and how those of the others move.
func (b *bench) verify(ctx context.Context, c config) (v checked, err error) {
	for _, values := range []string{given, growing} {
		if err := b.checkRounds(ctx, c, values); err != nil {
			return v, err
		}
	}
	return b.verifyFixed(ctx, c)
}

// verifyFixed lets drive check the first page, and one of when the product knows all lines.
func (b *bench) verifyFixed(ctx context.Context, c config) (v checked, err error) {
	f, err := b.startFleet(ctx, c, fixed, 1)
	if err != nil {
		return v, err
	}
	defer f.stop()
	p, err := b.startProduct(ctx, f, 1, product)
	if err != nil {
		return v, err
	}
	defer p.stop()
	for _, rounds := range []int{0, 5} {
		for range rounds {
			if _, err := fetch(ctx, p.url); err != nil {
				return v, err
			}
		}
		v = checked{}
		if err := b.drive(ctx, &v, "verify", "-urls", f.urls(), "-url", p.url); err != nil {
			return v, err
		}
		if v.Error != "" || v.Wrong+v.Missing+v.Duplicates+v.Changed+len(v.Unparsable) > 0 || v.Right == 0 || v.NoGauges != relabeledGauges {
			return v, fmt.Errorf("verify %s after %d rounds: the page is wrong: %+v", c, rounds, v)
		}
	}
	return v, nil
}

func fetch(ctx context.Context, url string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	resp, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	text, err := io.ReadAll(resp.Body)
	if err = errors.Join(err, resp.Body.Close()); err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", resp.Status, text)
	}
	return text, err
}
