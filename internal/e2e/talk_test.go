package e2e

import (
	"bufio"
	"context"
	"math"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
)

// value gives a series' value on a page, NaN where it is not there.
func value(page, series string) float64 {
	for line := range strings.Lines(page) {
		if rest, ok := strings.CutPrefix(line, series+" "); ok {
			v, err := strconv.ParseFloat(strings.TrimSpace(rest), 64)
			if err == nil {
				return v
			}
		}
	}
	return math.NaN()
}

// cumulative gives the values of a page that must never fall: counters, and histograms but for _sum.
func cumulative(page string) map[string]float64 {
	types, out := map[string]string{}, map[string]float64{}
	scanner := bufio.NewScanner(strings.NewReader(page))
	for scanner.Scan() {
		line := scanner.Text()
		if rest, ok := strings.CutPrefix(line, "# TYPE "); ok {
			name, typ, _ := strings.Cut(rest, " ")
			types[name] = typ
			continue
		}
		at := strings.LastIndexByte(line, ' ')
		if at < 0 || line[0] == '#' {
			continue
		}
		name := line[:strings.IndexAny(line, "{ ")]
		if strings.HasPrefix(name, "fedscrape_") {
			continue
		}
		base := strings.TrimSuffix(strings.TrimSuffix(name, "_bucket"), "_count")
		if types[name] == "counter" || types[base] == "histogram" || types[base] == "summary" {
			out[line[:at]], _ = strconv.ParseFloat(line[at+1:], 64)
		}
	}
	return out
}

func TestTalk(t *testing.T) {
	registries(t, func(t *testing.T, consul string) {
		f := serve(t, consul, "")
		_, url := f.gunicorn(t)
		f.awaitWorkers(t, 4)
		for range 30 {
			if status, body := get(t.Context(), url+"/fire"); status != http.StatusOK {
				t.Fatalf("/fire: %d %s", status, body)
			}
		}
		for range 20 { // without fedscrape: 7, 9, 13
			status, page := get(t.Context(), f.merged())
			if got := value(page, `reqs_total{view="fire"}`); status != http.StatusOK || got != 30 {
				t.Fatalf("status %d, merged %v, want 30:\n%s", status, got, page)
			}
		}
	})
}

// watcher fetches pages all along and holds that nothing on them falls.
type watcher struct {
	pages, empty atomic.Int64
	fell         atomic.Pointer[string]
	cancel       context.CancelFunc
	done         sync.WaitGroup
}

func watch(t *testing.T, url string) *watcher {
	ctx, cancel := context.WithCancel(t.Context())
	w := &watcher{cancel: cancel}
	w.done.Go(func() {
		last := map[string]float64{}
		for ctx.Err() == nil {
			status, page := get(ctx, url)
			if status != http.StatusOK {
				w.empty.Add(1)
				continue
			}
			w.pages.Add(1)
			now := cumulative(page)
			for series, before := range last {
				if after, ok := now[series]; !ok || after < before {
					text := series + " fell from " + strconv.FormatFloat(before, 'g', -1, 64) + " to " + strconv.FormatFloat(after, 'g', -1, 64)
					w.fell.CompareAndSwap(nil, &text)
				}
				_ = before
			}
			last = now
		}
	})
	t.Cleanup(w.stop)
	return w
}

func (w *watcher) stop() {
	w.cancel()
	w.done.Wait()
}

// load sends requests from several clients until n were answered with 200, and gives how many were.
func load(t *testing.T, url string, n, clients int) {
	t.Helper()
	var left atomic.Int64
	left.Store(int64(n))
	var group sync.WaitGroup
	for range clients {
		group.Go(func() {
			for left.Add(-1) >= 0 {
				if status, body := get(t.Context(), url); status != http.StatusOK {
					t.Errorf("%s: %d %s", url, status, body)
				}
			}
		})
	}
	group.Wait()
}

func TestRecyclingUnderLoad(t *testing.T) {
	const requests = 1000
	registries(t, func(t *testing.T, consul string) {
		f := serve(t, consul, "")
		c, url := f.gunicorn(t, "--max-requests", "20")
		f.awaitWorkers(t, 4)
		w := watch(t, f.merged())
		load(t, url+"/fire", requests, 8)
		var page string
		await(t, "the last workers' goodbyes", func() bool {
			_, page = get(t.Context(), f.merged())
			return value(page, `reqs_total{view="fire"}`) == requests
		})
		w.stop()
		if fell := w.fell.Load(); fell != nil {
			t.Error(*fell)
		}
		started, lost := value(page, "fedscrape_workers_started_total"), value(page, "fedscrape_lost_updates_possible_total")
		if started < 40 || lost != 0 {
			t.Errorf("%v workers started and %v were lost: did they recycle?", started, lost)
		}
		t.Logf("%d pages, %d of them empty, %v workers", w.pages.Load(), w.empty.Load(), started)
		if err := c.end(syscall.SIGTERM); err != nil {
			t.Errorf("gunicorn: %v", err)
		}
		status, body := get(t.Context(), f.merged())
		if status != http.StatusServiceUnavailable {
			t.Errorf("after the last worker: %d %s", status, body)
		}
	})
}
