package e2e

import (
	"context"
	"fmt"
	"net/http"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/fedscrape/fedscrape/internal/realbin"
)

const (
	nodeSeries   = `http_requests_total{code="200",path="/fire"}`
	nodeGoodbyes = `fedscrape_workers_departed_total{reason="goodbye"}`
)

// nodeCluster starts the example's cluster of four workers, which register themselves.
func (f *federator) nodeCluster(t *testing.T) (c *child, url string) {
	t.Helper()
	folder, err := filepath.Abs("../../examples/node")
	if err != nil {
		t.Fatal(err)
	}
	port := strconv.Itoa(realbin.FreePort(t))
	c = startChild(t, folder, []string{
		"CONSUL_HTTP_ADDR=" + f.registry, "FEDSCRAPE_URL=" + f.url, "FEDSCRAPE_INSTANCE=web1:8000", "PORT=" + port,
		"TMPDIR=" + t.TempDir(), "NODE_OPTIONS=--require=" + filepath.Join(folder, "testdata", "patient.js"),
	}, realbin.Node(t, folder, "prom-client"), "app.js")
	return c, "http://127.0.0.1:" + port
}

// workerPids is the workers' processes as they answer, each on a connection of its own, until n were seen.
func workerPids(t *testing.T, url string, n int) (pids []int, asked int) {
	t.Helper()
	seen := map[int]bool{}
	await(t, fmt.Sprintf("answers of %d workers", n), func() bool {
		asked++
		pid, err := strconv.Atoi(strings.TrimSpace(askOnce(t, url)))
		if err != nil {
			t.Fatal(err)
		}
		if !seen[pid] {
			seen[pid] = true
			pids = append(pids, pid)
		}
		return len(pids) == n
	})
	return pids, asked
}

// once keeps no connection, so that the cluster gives the next one to the next worker.
var once = &http.Client{Timeout: time.Minute, Transport: &http.Transport{DisableKeepAlives: true}}

func askOnce(t *testing.T, url string) string {
	t.Helper()
	body, err := tryOnce(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	return body
}

func tryOnce(ctx context.Context, url string) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return "", err
	}
	resp, err := once.Do(req)
	if err != nil {
		return "", err
	}
	defer func() { _ = resp.Body.Close() }()
	body := make([]byte, 32)
	n, _ := resp.Body.Read(body)
	return string(body[:n]), nil
}

// loadOnce sends n requests, each on a connection of its own, and counts those that were answered.
func loadOnce(t *testing.T, url string, n int) {
	t.Helper()
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			for range n / 8 {
				if _, err := tryOnce(t.Context(), url); err != nil {
					t.Error(err)
				}
			}
		})
	}
	group.Wait()
}

// TestNodeCluster counts what a cluster of four answers: one worker is killed just after a page, one ends in good order
// in the middle of the load, then all end.
func TestNodeCluster(t *testing.T) { registries(t, testNodeCluster) }

func testNodeCluster(t *testing.T, consul string) {
	f := serve(t, consul, "    when_empty: serve\n")
	c, app := f.nodeCluster(t)
	f.awaitWorkers(t, 4)
	pids, want := workerPids(t, app+"/fire", 4)
	w := watch(t, f.merged())
	loadOnce(t, app+"/fire", 400)
	want += 400
	f.awaitCount(t, want)

	_, before := get(t.Context(), f.merged()) // what is counted now, SIGKILL cannot take any more
	if err := syscall.Kill(pids[0], syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	f.awaitValue(t, `fedscrape_workers{state="failed"}`, 1) // for as long as Consul has it
	f.awaitWorkers(t, 4)
	if got := value(before, nodeSeries); got != float64(want) {
		t.Fatalf("before the kill %v, want %d", got, want)
	}
	f.awaitCount(t, want)

	if err := syscall.Kill(pids[1], syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	loadOnce(t, app+"/fire", 400)
	want += 400
	f.awaitValue(t, nodeGoodbyes, 1)
	f.awaitWorkers(t, 4)
	f.awaitCount(t, want)
	_, page := get(t.Context(), f.merged())
	for slot := range 4 { // the killed one has its own for as long as Consul has it, and its successor is <slot>~2
		up := func(suffix string) float64 {
			return value(page, fmt.Sprintf(`fedscrape_worker_up{worker_id="%d%s"}`, slot, suffix))
		}
		if up("") != 1 && up("~2") != 1 {
			t.Errorf("slot %d is not taken again:\n%s", slot, page)
		}
	}

	loadOnce(t, app+"/fire", 80)
	want += 80
	if err := c.end(syscall.SIGTERM); err != nil {
		t.Errorf("the cluster: %v", err)
	}
	f.awaitValue(t, nodeGoodbyes, 5)
	w.stop()
	if fell := w.fell.Load(); fell != nil {
		t.Error(*fell)
	}
	_, page = get(t.Context(), f.merged())
	if got, buckets := value(page, nodeSeries), value(page, `http_request_duration_seconds_count{path="/fire"}`); got != float64(want) || got != buckets {
		t.Errorf("in the end %v and %v in the histogram, want %d", got, buckets, want)
	}
}

func (f *federator) awaitCount(t *testing.T, want int) {
	t.Helper()
	f.awaitValue(t, nodeSeries, float64(want))
}

func (f *federator) awaitValue(t *testing.T, series string, want float64) {
	t.Helper()
	await(t, fmt.Sprintf("%s %v", series, want), func() bool {
		_, page := get(t.Context(), f.merged())
		return value(page, series) == want
	})
}
