package federator

import (
	"context"
	"fmt"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/fedscrape/fedscrape/discovery"
)

// TestManyWorkers has 1,200 workers of one instance in one round.
func TestManyWorkers(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		for i := range 1200 {
			key := fmt.Sprintf("w%04d", i)
			w.register(key, "h:"+key)
			w.at("h:"+key, answer{page: counter(1, 100), delay: time.Second})
		}
		w.tell()
		begun := time.Now()
		w.want("x_total", "1200")
		if took := time.Since(begun); took != time.Second {
			t.Errorf("the round took %s", took)
		}
		w.want("fedscrape_workers{state=up}", "1200")
	})
}

// TestHungWorkersCostNoMore asks workers that never answer again and again.
func TestHungWorkersCostNoMore(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		for i := range 100 {
			key := fmt.Sprintf("w%03d", i)
			w.register(key, "h:"+key)
			w.at("h:"+key, answer{delay: time.Hour})
		}
		w.tell()
		for range 20 {
			_, _ = w.gather()
			synctest.Wait() // requests that have just ended are no leak
			if n := runtime.NumGoroutine(); n > 150 {
				t.Fatalf("%d goroutines", n)
			}
		}
	})
}

// TestCloseDepartsNobody closes while a worker hangs that would depart at its next failure.
func TestCloseDepartsNobody(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		two(w)
		w.want("x_total", "12")
		w.deregister("w2")
		w.at("h:2", answer{delay: time.Hour})
		w.want("x_total", "12")
		time.Sleep(20 * time.Second)
		var group sync.WaitGroup
		group.Go(func() { _, _ = w.gather() })
		synctest.Wait()
		w.federator.Close()
		group.Wait()
		w.wantStates("1:up 2:failed")
		if n := w.metric("fedscrape_workers_departed_total"); n != 0 {
			t.Errorf("%v departed", n)
		}
		if _, err := w.gather(); err == nil {
			t.Error("a page after Close")
		}
	})
}

// TestStableIDComesBackAfterGoodbye registers the ID of a worker that said goodbye for its next life.
func TestStableIDComesBackAfterGoodbye(t *testing.T) {
	for name, change := range map[string]func(*discovery.Worker){
		"start time":   func(d *discovery.Worker) { d.StartTime = time.Unix(5000, 0) },
		"create index": func(d *discovery.Worker) { d.CreateIndex = 20 },
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, nil, func(w *world) {
				two(w)
				w.register("w2", "h:2", func(d *discovery.Worker) { d.CreateIndex = 10 })
				w.tell()
				w.want("x_total", "12")
				w.wantHand("", w.hand("w2", 100, counter(9, 100)))
				w.deregister("w2")
				w.want("x_total", "14")
				w.at("h:2", answer{page: counter(3, 5000)})
				w.register("w2", "h:2", change)
				w.tell()
				w.want("x_total", "17")
				w.wantStates("1:up 2:up")
			})
		})
	}
}

func TestOwnMetricsAreInOrder(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		two(w)
		w.want("x_total", "12")
		problems, err := testutil.GatherAndLint(w.registry)
		if err != nil || len(problems) != 0 {
			t.Errorf("%v %v", err, problems)
		}
	})
}

// TestSweepsAreBounded starts with many instances that are all due.
func TestSweepsAreBounded(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		for i := range 40 {
			key := fmt.Sprintf("w%02d", i)
			w.register(key, "h:"+key, func(d *discovery.Worker) { d.Instance = "i" + key })
			w.at("h:"+key, answer{page: counter(1, 100), delay: 5 * time.Second})
		}
		w.tell()
		ctx, cancel := context.WithCancel(w.t.Context())
		var group sync.WaitGroup
		group.Go(func() { _ = w.federator.Run(ctx) })
		time.Sleep(firstDelay)
		synctest.Wait()
		asked := 0
		w.mu.Lock()
		for _, n := range w.asked {
			asked += n
		}
		w.mu.Unlock()
		if asked != maxSweeps {
			t.Errorf("%d rounds at once, want %d", asked, maxSweeps)
		}
		time.Sleep(time.Second)
		w.mu.Lock()
		asked = len(w.asked)
		w.mu.Unlock()
		if asked > maxSweeps {
			t.Errorf("%d rounds under way, want %d at most", asked, maxSweeps)
		}
		cancel()
		group.Wait()
	})
}

// TestFinalsOfTwoLivesUnderOneID hands in for two short lives that no watch has shown.
func TestFinalsOfTwoLivesUnderOneID(t *testing.T) {
	inWorld(t, func(j *Job) { j.ServeEmpty = true }, func(w *world) {
		w.tell()
		for i, start := range []float64{100, 200, 200} {
			w.wantHand("", w.hand("batch", start, counter(3, start), func(f *Final) { f.Authenticated = true }))
			w.want("x_total", []string{"3", "6", "6"}[i])
		}
	})
}
