package e2e

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"
)

// soakWorkers is how many workers an instance has.
const soakWorkers = 16

// TestSoak lets a federator run with many instances whose workers are recycled all the time, and holds what it uses at the
// end against what it used at the start. FEDSCRAPE_SOAK_SECONDS and FEDSCRAPE_SOAK_INSTANCES make it long and large; then
// it runs the program as it is shipped, without the race detector.
func TestSoak(t *testing.T) {
	seconds, instances := setting(t, "FEDSCRAPE_SOAK_SECONDS", 8), int(setting(t, "FEDSCRAPE_SOAK_INSTANCES", 12))
	interval, refresh := time.Second, time.Second
	if instances >= 100 {
		interval, refresh = 15*time.Second, 5*time.Second // sixteen thousand workers are a long list
		shipped(t)
	}
	f := serve(t, "", fmt.Sprintf("        refresh_interval: %s\n    target_limit: 100000\n", refresh))
	s := &soak{fleet: startFleet(t, f), f: f, workers: map[string][]*scripted{}, interval: interval}
	s.populate(t, instances)
	s.pass(t) // each instance known, each line learned
	s.pass(t)
	start := s.measure(t, s.pass(t))
	ctx, cancel := context.WithTimeout(t.Context(), time.Duration(seconds)*time.Second)
	defer cancel()
	var recycling sync.WaitGroup
	recycling.Go(func() { s.recycle(ctx, t) })
	for ctx.Err() == nil {
		s.pass(t)
	}
	recycling.Wait()
	s.settle(t)
	end := s.measure(t, s.pass(t))
	t.Logf("soak: %d instances x %d workers, %d s, %d workers recycled, %d CPUs", instances, soakWorkers, seconds, s.recycled, runtime.NumCPU())
	t.Logf("soak: start %s", start)
	t.Logf("soak: end   %s", end)
	end.holds(t, start)
	if s.recycled == 0 {
		t.Error("no worker was recycled")
	}
}

// shipped has the tests that follow in this test run the program as it is shipped.
func shipped(t *testing.T) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "fedscrape")
	build := exec.CommandContext(t.Context(), "go", "build", "-trimpath", "-ldflags", "-s -w", "-o", path, "../../cmd/fedscrape")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	tested := program
	program = path
	t.Cleanup(func() { program = tested })
}

type soak struct {
	fleet     *fleet
	f         *federator
	instances []string
	workers   map[string][]*scripted
	interval  time.Duration
	recycled  int
}

// populate begins all workers.
func (s *soak) populate(t *testing.T, instances int) {
	t.Helper()
	for i := range instances {
		name := fmt.Sprintf("web%d:8000", i)
		s.instances = append(s.instances, name)
		for slot := range soakWorkers {
			w, err := s.fleet.begin(t.Context(), name, slot)
			if err != nil {
				t.Fatal(err)
			}
			s.workers[name] = append(s.workers[name], w)
		}
	}
	await(t, "the last instance", func() bool {
		_, page := get(t.Context(), s.merged(s.instances[instances-1]))
		return value(page, `fedscrape_workers{state="up"}`) == soakWorkers
	})
}

func (s *soak) merged(instance string) string {
	return s.f.url + "/merged?job=webapp&instance=" + instance
}

// recycle ends a worker in good order and begins another in its slot, ten times a second.
func (s *soak) recycle(ctx context.Context, t *testing.T) {
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		name := s.instances[rand.IntN(len(s.instances))]
		slot := rand.IntN(soakWorkers)
		err := s.fleet.end(t.Context(), s.workers[name][slot])
		if err == nil {
			s.workers[name][slot], err = s.fleet.begin(t.Context(), name, slot)
		}
		if err != nil {
			t.Errorf("recycle: %v", err)
			return
		}
		s.recycled++
	}
}

// pass asks for each instance's page, spread over an interval as Prometheus does, and gives how long each took.
func (s *soak) pass(t *testing.T) []time.Duration {
	t.Helper()
	took := make([]time.Duration, len(s.instances))
	var group sync.WaitGroup
	begun := time.Now()
	for i, name := range s.instances {
		select {
		case <-t.Context().Done():
		case <-time.After(time.Until(begun.Add(s.interval * time.Duration(i) / time.Duration(len(s.instances))))):
		}
		group.Go(func() {
			asked := time.Now()
			if status, body := get(t.Context(), s.merged(name)); status != http.StatusOK {
				t.Errorf("%s: %d %s", name, status, body)
			}
			took[i] = time.Since(asked)
		})
	}
	group.Wait()
	return took
}

// settle waits until every page says what its workers counted: all that were recycled have said goodbye.
func (s *soak) settle(t *testing.T) {
	t.Helper()
	for _, name := range s.instances {
		await(t, "the truth of "+name, func() bool {
			_, page := get(t.Context(), s.merged(name))
			return value(page, `fedscrape_workers{state="up"}`) == soakWorkers &&
				value(page, `reqs_total{view="fire"}`) == float64(s.fleet.truth(name))
		})
	}
}

// usage is what the federator uses.
type usage struct {
	residentKB, live, goroutines, files, ledger int           // live is what the last garbage collection left, in bytes
	median, worst                               time.Duration // of the rounds of a pass: half, and 99 of 100, are faster
}

func (s *soak) measure(t *testing.T, took []time.Duration) usage {
	t.Helper()
	pid := s.f.cmd.Process.Pid
	_, own := get(t.Context(), s.f.url+"/metrics")
	files, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(took)
	return usage{
		residentKB: residentKB(t, pid), live: int(value(own, "go_memstats_next_gc_bytes") / 2), // the next one is at twice of it
		goroutines: int(value(own, "go_goroutines")), files: len(files),
		ledger: int(value(own, "fedscrape_ledger_size_bytes")),
		median: took[len(took)/2], worst: took[len(took)*99/100],
	}
}

func (u usage) String() string {
	return fmt.Sprintf("RSS %d MB, live heap %d MB, %d goroutines, %d file descriptors, ledger %.1f MB, round median %s, 99%% %s", u.residentKB/1000,
		u.live/1e6, u.goroutines, u.files, float64(u.ledger)/1e6, u.median.Round(100*time.Microsecond), u.worst.Round(100*time.Microsecond))
}

// holds fails where something grew that recycling must not let grow. Times are reported only: the machine is shared.
func (u usage) holds(t *testing.T, start usage) {
	t.Helper()
	f := func(what string, was, is, slack int) {
		if is > was+was/2+slack {
			t.Errorf("%s: %d at the start, %d at the end", what, was, is)
		}
	}
	f("RSS in kB", start.residentKB, u.residentKB, 100_000)
	f("bytes of live heap", start.live, u.live, 20_000_000)
	f("goroutines", start.goroutines, u.goroutines, 100)
	f("file descriptors", start.files, u.files, 100)
	f("bytes of the ledger", start.ledger, u.ledger, 200_000)
}
