package federator

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fedscrape/fedscrape/discovery"
)

// A federator that is killed goes on where its last page was, with the workers that it knew, before discovery says
// anything.
func TestRestartContinues(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		w.register("w1", "a:1")
		w.register("w2", "a:2")
		w.at("a:1", answer{page: counter(10, 5)})
		w.at("a:2", answer{page: counter(20, 6)})
		w.tell()
		w.want("x_total", "30")
		w.refuse("a:2")
		w.deregister("w2") // vanished: kept apart
		w.want("x_total", "30")
		w.restart()
		w.at("a:1", answer{page: counter(11, 5)})
		w.want("x_total", "31") // without discovery
		w.want(`fedscrape_workers_started_total`, "2")
		w.at("a:2", answer{page: counter(25, 6)})
		w.register("w2", "a:2")
		w.tell() // it was only cut off
		w.want("x_total", "36")
	})
}

// A worker that departs a second time is known after a restart by what it showed between, not as it was the first
// time, when it had not yet said who it is.
func TestRestartKnowsWhoDepartedAgain(t *testing.T) {
	inWorld(t, func(j *Job) { j.ServeEmpty = true }, func(w *world) {
		w.register("w1", "a:1")
		w.at("a:1", answer{page: counter(4, 5)})
		w.tell()
		w.deregister("w1") // before anybody has asked it
		w.want("x_total", "none")
		w.register("w1", "a:1")
		w.tell()
		w.want("x_total", "4")
		w.refuse("a:1")
		w.deregister("w1")
		w.want("x_total", "4")
		w.want("fedscrape_workers_departed_total{reason=vanished}", "2")
		w.restart()
		w.at("a:1", answer{page: counter(3, 500)})
		w.register("w1", "a:1")
		w.tell()
		w.deregister("w1") // it is known, and answers: it stays
		w.want("x_total", "7")
		w.wantStates("1:up")
	})
}

// Nothing is served from a fresh start before discovery has answered: Prometheus would take half the workers for all.
func TestFreshStartWaitsForDiscovery(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		w.register("w1", "a:1")
		w.at("a:1", answer{page: counter(10, 0)})
		w.tell(func(u *discovery.Update) { u.Answered = false })
		if _, err := w.gather(); !isNotReady(err) {
			t.Errorf("got %v", err)
		}
		w.tell()
		w.want("x_total", "10")
	})
}

func isNotReady(err error) bool {
	_, ok := errors.AsType[*NotReadyError](err)
	return ok
}

// A goodbye is in the ledger before it is answered for.
func TestFinalSurvivesAKill(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		w.register("w1", "a:1")
		w.register("w2", "a:2")
		w.at("a:1", answer{page: counter(10, 0)})
		w.at("a:2", answer{page: counter(20, 0)})
		w.tell()
		w.want("x_total", "30")
		w.wantHand("", w.hand("w2", 6, counter(25, 0)))
		w.refuse("a:2")
		w.restart()
		w.tell() // its registration is what is left of it
		w.want("x_total", "35")
		w.wantHand("", w.hand("w2", 6, counter(25, 0))) // a retry
		w.want("x_total", "35")
	})
}

// Where the ledger is lost while the workers live, their first values are the base: 0 and on, no burst. A worker that
// started after it counts whole.
func TestLostLedger(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		old := float64(time.Now().Unix())
		w.register("w1", "a:1")
		w.at("a:1", answer{page: counter(10, old)})
		w.tell()
		w.want("x_total", "10")
		time.Sleep(time.Hour)
		if err := w.ledger.SetAside(errors.New("test")); err != nil {
			t.Fatal(err)
		}
		w.restart()
		if n := w.metric("fedscrape_ledger_errors_total"); n != 1 {
			t.Errorf("the loss is counted %v times", n)
		}
		w.register("w2", "a:2")
		w.at("a:2", answer{page: counter(3, float64(time.Now().Unix()+5))})
		w.register("w3", "a:3")
		w.at("a:3", answer{page: counter(1000, 0)}) // nothing tells when it started
		w.tell()
		w.want("x_total", "3")
		w.at("a:1", answer{page: counter(14, old)})
		w.want("x_total", "7")
		w.register("w4", "a:4")
		w.at("a:4", answer{page: counter(5, 0)})
		w.tell() // came after discovery had answered
		w.want("x_total", "12")
	})
}

// A job that is taken out of the configuration is forgotten after instance_retention; if it comes back before, it goes on.
func TestJobTakenOutComesBack(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		w.register("w1", "a:1")
		w.at("a:1", answer{page: counter(10, 0)})
		w.tell()
		w.want("x_total", "10")
		for range 2 {
			w.federator.Apply([]*Job{})
			if _, err := w.gather(); err == nil {
				t.Fatal("the instance of a job that is gone is served")
			}
			w.restart() // it is kept over a restart as well
			w.at("a:1", answer{page: counter(12, 0)})
			w.tell()
			w.want("x_total", "12")
		}
		w.federator.Apply([]*Job{})
		warned := w.logged("Job is no longer configured")
		job := w.job
		w.job = &Job{Name: "other", Merge: job.Merge, Fetcher: job.Fetcher, ScrapeTimeout: job.ScrapeTimeout}
		w.restart()
		if n := w.logged("Job is no longer configured"); n != warned+1 {
			t.Errorf("a start without the job warns %d times", n-warned)
		}
		w.federator.forgetOrphans(time.Now().Add(job.Merge.InstanceRetention + time.Minute))
		w.job = job
		w.restart()
		if _, err := w.gather(); err == nil {
			t.Fatal("the instance was not forgotten")
		}
	})
}

// Who departed is in the ledger also where no page follows: else the next federator asks at the old address, and counts
// whoever has it by then in that one's name and in its own.
func TestDepartureThatNoPageFollows(t *testing.T) {
	f := func(name string, depart func(w *world)) {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(j *Job) { j.ServeEmpty = true }, func(w *world) {
				w.register("w1", "a:1")
				w.at("a:1", answer{page: counter(10, 0)}) // it does not show who it is, and departs with its registration
				w.tell()
				w.want("x_total", "10")
				depart(w)
				synctest.Wait()
				w.at("a:1", answer{page: counter(3, 0)}) // another process
				w.restart()
				w.want("x_total", "10")
				w.register("w2", "a:1")
				w.tell()
				w.want("x_total", "13")
			})
		})
	}
	f("with its job", func(w *world) { w.federator.Apply([]*Job{}) })
	f("before its job", func(w *world) {
		w.deregister("w1")
		w.federator.Apply([]*Job{})
	})
	f("at a start without its job", func(w *world) {
		job := w.job
		w.job = &Job{Name: "other", Merge: job.Merge, Fetcher: job.Fetcher, ScrapeTimeout: job.ScrapeTimeout}
		w.restart()
		w.job = job
	})
	f("where nobody asks", func(w *world) {
		time.Sleep(time.Second)
		w.federator.all()[0].saveBeside(&keeping{}) // as a sweep does, before the last one leaves
		synctest.Wait()
		time.Sleep(time.Second)
		w.deregister("w1")
		w.runFor(2 * time.Minute)
	})
}
