package federator

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/fedscrape/fedscrape/discovery"
	"github.com/fedscrape/fedscrape/scraper"
)

// Two workers die while they are scraped, and their registrations go while the round still waits for a third: the page
// of that round has all that they counted, and so has the next federator.
func TestTwoDeparturesDuringAScrape(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		two(w)
		w.register("w3", "h:3")
		w.at("h:3", answer{page: counter(9, 100)})
		w.tell()
		w.want("x_total", "21")
		gone := &scraper.Error{Result: scraper.ResultRefused, Err: fmt.Errorf("connect: %w", syscall.ECONNREFUSED)}
		w.at("h:1", answer{delay: time.Second, err: gone})
		w.at("h:2", answer{delay: time.Second, err: gone})
		w.at("h:3", answer{delay: 2 * time.Second, page: counter(10, 100)})
		var group sync.WaitGroup
		group.Go(func() { w.want("x_total", "22") })
		time.Sleep(500 * time.Millisecond)
		w.deregister("w1", "w2")
		group.Wait()
		w.wantStates("3:up")
		w.want("fedscrape_workers_departed_total{reason=vanished}", "2")
		w.restart()
		w.want("x_total", "22") // without discovery
		w.wantStates("3:up")
	})
}

// The federator is killed after a departure that the ledger has not taken: the next one knows the worker from the last
// page that it has, and lets it depart anew. It counts once.
func TestDepartureThatWasNotKept(t *testing.T) {
	inSickWorld(t, func(w *world, s *sick) {
		s.set(errors.New("no space left on device"), 0)
		w.refuse("h:2")
		w.deregister("w2")
		w.want("x_total", "12")
		w.wantStates("1:up")
		w.restart()
		s.set(nil, 0)
		w.want("x_total", "12")
		w.wantStates("1:up 2:failed") // until discovery says that it is gone
		w.tell()
		w.want("x_total", "12")
		w.wantStates("1:up")
		w.want("fedscrape_workers_departed_total{reason=vanished}", "1")
		w.want("fedscrape_workers_started_total", "2")
	})
}

// The federator is killed in the middle of a round, while one worker hangs. Until the next one runs, another counts on,
// one resets in place, and one loses a series. Then the registry is empty, with all of them alive.
func TestKilledWhileWorkersChange(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		for key, page := range map[string]string{"whangs": counter(5, 100), "wcounts": counter(7, 200), "wresets": counter(9, 300), "wloses": counter(3, 400) + "y_total 4\n"} {
			w.register(key, "h:"+key)
			w.at("h:"+key, answer{page: page})
		}
		w.tell()
		w.want("x_total", "24")
		w.want("y_total", "4")
		w.at("h:whangs", answer{delay: time.Hour})
		round := make(chan error)
		go func() {
			_, err := w.gather()
			round <- err
		}()
		time.Sleep(time.Second)
		w.at("h:wcounts", answer{page: counter(10, 200)})
		w.at("h:wresets", answer{page: counter(2, 300)})
		w.at("h:wloses", answer{page: counter(3, 400)})
		w.federator.Close()
		if err := <-round; err == nil {
			t.Error("a round of a federator that ends gives a page")
		}
		w.restart()
		w.want("x_total", "29")
		w.want("y_total", "4")
		w.want("fedscrape_resets_absorbed_total", "1")
		w.deregister("whangs", "wcounts", "wresets", "wloses")
		for range 3 { // the one that hangs departs, the others answer
			w.want("x_total", "29")
		}
		w.wantStates("counts:up loses:up resets:up")
		w.at("h:whangs", answer{page: counter(6, 100)})
		w.register("whangs", "h:whangs")
		w.tell()
		time.Sleep(w.job.ScrapeTimeout) // the request that hangs ends
		w.want("x_total", "30")
	})
}

// Rounds that nobody asked for are spread over time: instances that became known together do not stay together.
func TestSweepsAreSpread(t *testing.T) {
	const instances = 60
	inWorld(t, nil, func(w *world) {
		for i := range instances {
			key := fmt.Sprintf("w%02d", i)
			w.register(key, "h:"+key, func(d *discovery.Worker) { d.Instance = "i" + key })
			w.at("h:"+key, answer{page: counter(1, 100)})
		}
		w.tell()
		ctx, cancel := context.WithCancel(w.t.Context())
		var group sync.WaitGroup
		group.Go(func() { _ = w.federator.Run(ctx) })
		time.Sleep(2 * time.Second)
		sweeps := func() int { return int(w.metric("fedscrape_rounds_total", "trigger", "sweep")) }
		before, most := sweeps(), 0
		if before != instances {
			t.Errorf("%d rounds at the start", before)
		}
		for range 100 {
			time.Sleep(time.Second)
			now := sweeps()
			most, before = max(most, now-before), now
		}
		if before != 2*instances || most > instances/4 {
			t.Errorf("%d rounds in 100s, %d of them within one second", before-instances, most)
		}
		cancel()
		group.Wait()
	})
}

// A reload takes away whom the job's own new discovery or relabeling leaves out, and nobody else: a worker whose
// registration is lost lives on through a reload of the same configuration, and through another job's change.
func TestReloadTakesAwayOnlyItsOwn(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		two(w)
		w.want("x_total", "12")
		w.deregister("w2")
		same, other := *w.job, *w.job
		other.Name = "other"
		w.federator.Apply([]*Job{&same, &other})
		w.wantStates("1:up 2:up")
		w.federator.Update(discovery.Update{Job: "other", Answered: true, Reconfigured: true})
		w.wantStates("1:up 2:up")
		w.at("h:2", answer{page: counter(8, 100), start: 100})
		w.want("x_total", "13")
		w.tell(func(u *discovery.Update) { u.Reconfigured = true })
		w.wantStates("1:up")
		w.want("x_total", "13")
	})
}

// An instance that becomes another job's, because the jobs change places, has that job's workers at once.
func TestReloadGivesAnInstanceToAnotherJob(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		two(w)
		other := *w.job
		other.Name = "other"
		w.federator.Apply([]*Job{w.job, &other})
		w.federator.Update(discovery.Update{Job: "other", Answered: true, Workers: []discovery.Worker{w.workers["w1"]}})
		w.want("x_total", "12")
		w.wantStates("1:up 2:up")
		w.federator.Apply([]*Job{&other, w.job})
		w.wantStates("1:up")
		w.want("x_total", "12")
	})
}
