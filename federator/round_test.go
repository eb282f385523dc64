package federator

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fedscrape/fedscrape/discovery"
	"github.com/fedscrape/fedscrape/scraper"
)

func two(w *world) {
	w.register("w1", "h:1")
	w.register("w2", "h:2")
	w.at("h:1", answer{page: counter(5, 100)})
	w.at("h:2", answer{page: counter(7, 100)})
	w.tell()
}

// oneDeparted is two of which w2 is gone, and what it counted stays.
func oneDeparted(w *world) {
	two(w)
	w.want("x_total", "12")
	w.refuse("h:2")
	w.deregister("w2")
	w.want("x_total", "12")
}

func TestSum(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		two(w)
		w.want("x_total", "12")
		w.want("g{worker_id=1}", "5")
		w.want("fedscrape_workers{state=up}", "2")
		w.want("fedscrape_workers_started_total", "2")
		w.wantStates("1:up 2:up")
	})
}

func TestFirstRoundIsToldOnce(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		two(w)
		for range 3 {
			w.want("x_total", "12")
		}
		if n := w.firstRounds.Load(); n != 1 {
			t.Errorf("told %d times", n)
		}
	})
}

func TestOverlappingRequestsShareARound(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		two(w)
		w.at("h:2", answer{page: counter(7, 100), delay: time.Second})
		var group sync.WaitGroup
		pages := make([]*Page, 5)
		for i := range pages {
			group.Go(func() { pages[i], _ = w.gather() })
		}
		group.Wait()
		for _, p := range pages {
			if p == nil || p != pages[0] {
				t.Error("not one page for all")
			}
		}
		if w.times("h:1") != 1 {
			t.Errorf("asked %d times", w.times("h:1"))
		}
	})
}

func TestEachCallerHasItsOwnDeadline(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		two(w)
		w.want("x_total", "12")
		w.at("h:1", answer{page: counter(6, 100)})
		w.at("h:2", answer{page: counter(9, 100), delay: 5 * time.Second})
		var group sync.WaitGroup
		group.Go(func() { // begins the round
			begun := time.Now()
			if page, err := w.gather(); err != nil || find(page, "x_total") != "15" || time.Since(begun) != 5*time.Second {
				t.Errorf("%v after %s", err, time.Since(begun))
			}
		})
		synctest.Wait()
		ctx, cancel := context.WithTimeout(w.t.Context(), time.Second)
		defer cancel()
		begun := time.Now()
		page, err := w.federator.Gather(ctx, "webapp", "web1")
		if err != nil || time.Since(begun) != time.Second {
			t.Fatalf("%v after %s", err, time.Since(begun))
		}
		if got := find(page, "x_total") + " " + find(page, "g{worker_id=2}") + " " + find(page, "fedscrape_worker_up{worker_id=2}"); got != "13 none 0" {
			t.Errorf("early page: %s", got)
		}
		group.Wait()
	})
}

// TestWhoCanWaitIsNotAnsweredEarly joins a round that was begun by a caller in a hurry.
func TestWhoCanWaitIsNotAnsweredEarly(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		two(w)
		w.at("h:2", answer{page: counter(7, 100), delay: 3 * time.Second})
		var group sync.WaitGroup
		group.Go(func() {
			ctx, cancel := context.WithTimeout(w.t.Context(), time.Second)
			defer cancel()
			begun := time.Now()
			if page, err := w.federator.Gather(ctx, "webapp", "web1"); err != nil || find(page, "x_total") != "5" || time.Since(begun) != time.Second {
				t.Errorf("%v after %s", err, time.Since(begun))
			}
		})
		synctest.Wait()
		time.Sleep(time.Second / 2)
		w.want("x_total", "12")
		group.Wait()
	})
}

func TestMaxAge(t *testing.T) {
	inWorld(t, func(j *Job) { j.MaxAge = 15 * time.Second }, func(w *world) {
		two(w)
		w.want("x_total", "12")
		time.Sleep(10 * time.Second)
		w.want("x_total", "12")
		if w.times("h:1") != 1 {
			t.Errorf("asked %d times", w.times("h:1"))
		}
		time.Sleep(6 * time.Second)
		w.want("x_total", "12")
		if w.times("h:1") != 2 {
			t.Errorf("asked %d times", w.times("h:1"))
		}
	})
}

// TestHungWorkerCostsAMoment hangs a worker for several rounds.
func TestHungWorkerCostsAMoment(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		two(w)
		w.want("x_total", "12")
		w.at("h:2", answer{delay: time.Hour})
		w.at("h:1", answer{page: counter(6, 100)})
		for i, want := range []time.Duration{10 * time.Second, slowGrace, slowGrace, slowGrace} {
			begun := time.Now()
			w.want("x_total", "13") // its last snapshot counts on
			if took := time.Since(begun); took != want {
				t.Errorf("round %d took %s, want %s", i, took, want)
			}
			w.wantStates("1:up 2:failed")
			time.Sleep(11 * time.Second) // its request has run out of time meanwhile
		}
		if n := w.logged("Scrape of worker has an error"); n != 1 {
			t.Errorf("logged %d times", n)
		}
		w.at("h:2", answer{page: counter(17, 100), delay: 5 * time.Second})
		w.want("x_total", "13")
		time.Sleep(6 * time.Second) // the answer that came after the round counts for the next page
		w.refuse("h:2")
		w.want("x_total", "23")
		if w.logged("Worker answers again") != 1 {
			t.Error(w.log)
		}
	})
}

// TestBadPagesSpoilNothing lets a worker answer what no page should be.
func TestBadPagesSpoilNothing(t *testing.T) {
	f := func(name string, a answer, result scraper.Result, reason string) {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(j *Job) { j.Limits.Samples = 10 }, func(w *world) {
				two(w)
				w.want("x_total", "12")
				w.at("h:2", a)
				w.at("h:1", answer{page: counter(6, 100)})
				for range 3 {
					w.want("x_total", "13")
				}
				w.want("g{worker_id=2}", "none")
				w.want("fedscrape_worker_up{worker_id=2}", "0")
				if got := w.federator.Instances()[0].Workers[1].Error; !strings.Contains(got, reason) {
					t.Errorf("the API says %q, want %q", got, reason)
				}
				if n := w.metric("fedscrape_scrapes_total", "job", "webapp", "result", string(result)); n != 5 {
					t.Errorf("%v scrapes ended %s", n, result)
				}
				if n := w.logged("Scrape of worker has an error"); n != 1 {
					t.Errorf("logged %d times", n)
				}
			})
		})
	}
	f("HTML", answer{page: "<html></html>", contentType: "text/html"}, scraper.ResultParse, "line 1")
	f("cut inside a number", answer{page: "# TYPE x_total counter\nx_total 1", untold: true}, scraper.ResultParse, "not whole")
	f("half a page of OpenMetrics", answer{page: "# TYPE x counter\nx_total 9\n", contentType: "application/openmetrics-text"}, scraper.ResultParse, "EOF")
	f("nothing", answer{}, scraper.ResultParse, "no sample")
	f("one bad line", answer{page: counter(9, 100) + "x_total{ 1\n"}, scraper.ResultParse, "line 7")
	f("over a limit", answer{page: counter(9, 100) + strings.Repeat("y 1\n", 20)}, scraper.ResultLimit, "sample_limit")
	f("status", answer{err: &scraper.Error{Result: scraper.ResultHTTPStatus, Err: errors.New("HTTP status 500")}}, scraper.ResultHTTPStatus, "500")
	f("invalid UTF-8", answer{page: "x{a=\"\xff\"} 1\n"}, scraper.ResultParse, "UTF-8")
}

// TestPageThatLacksSeries takes a page of untold length that lacks series only the second time.
func TestPageThatLacksSeries(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		two(w)
		w.want("x_total", "12")
		w.at("h:2", answer{page: "# TYPE g gauge\ng 3\n", untold: true})
		w.want("g{worker_id=2}", "none")
		w.want("g{worker_id=2}", "3")
		w.want("x_total", "12")
	})
}

func TestUnknownContentTypeIsSniffed(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		two(w)
		w.at("h:1", answer{page: "# TYPE x counter\nx_total 5\n# EOF\n", contentType: "application/json"})
		w.at("h:2", answer{page: counter(7, 0), contentType: "nonsense"})
		w.want("x_total", "12")
	})
}

func TestNoWorkerUp(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		two(w)
		w.want("x_total", "12")
		w.refuse("h:1")
		w.refuse("h:2")
		_, err := w.gather()
		var down *NoWorkerUpError
		if !errors.As(err, &down) || len(down.Failures) != 2 || down.Failures[0].WorkerID != "1" || down.Failures[0].Address != "h:1" ||
			!strings.Contains(down.Failures[0].Reason, "refused") {
			t.Fatalf("%v %+v", err, down)
		}
		w.wantStates("1:failed 2:failed") // registered: they stay
		w.at("h:1", answer{page: counter(6, 100)})
		w.want("x_total", "13") // the counters go on where they were
	})
}

func TestServeEmpty(t *testing.T) {
	inWorld(t, func(j *Job) { j.ServeEmpty = true }, func(w *world) {
		two(w)
		w.want("x_total", "12")
		w.refuse("h:1")
		w.refuse("h:2")
		w.deregister("w1", "w2")
		w.want("x_total", "12")
		w.want("fedscrape_workers_departed_total{reason=vanished}", "2")
		w.want("x_total", "12")
	})
}

func TestUnknownInstance(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		_, err := w.federator.Gather(w.t.Context(), "webapp", "web1")
		if _, ok := errors.AsType[*NotReadyError](err); !ok {
			t.Errorf("before discovery has answered: %v", err)
		}
		for i := range 25 {
			w.register("w"+string(rune('a'+i)), "h:1", func(d *discovery.Worker) { d.Instance = "i" + string(rune('a'+i)) })
		}
		w.tell()
		_, err = w.federator.Gather(w.t.Context(), "webapp", "nope")
		var unknown *UnknownInstanceError
		if !errors.As(err, &unknown) || unknown.Total != 25 || len(unknown.Known) != 20 || unknown.Known[0] != "ia" {
			t.Errorf("%v %+v", err, unknown)
		}
	})
}

func TestSweepsOnlyWhereNobodyAsks(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		two(w)
		ctx, cancel := context.WithCancel(w.t.Context())
		var group sync.WaitGroup
		group.Go(func() { _ = w.federator.Run(ctx) })
		time.Sleep(time.Second)
		first := w.times("h:1")
		for range 20 { // Prometheus asks
			time.Sleep(15 * time.Second)
			w.want("x_total", "12")
		}
		if got := w.metric("fedscrape_rounds_total", "trigger", "sweep"); got != float64(first) {
			t.Errorf("%v sweeps while Prometheus asked, %d at start", got, first)
		}
		time.Sleep(10 * time.Minute) // nobody asks: a round each 81 to 90 s
		if n := w.metric("fedscrape_rounds_total", "trigger", "sweep") - float64(first); n < 6 || n > 8 {
			t.Errorf("%v sweeps in 10 minutes", n)
		}
		cancel()
		group.Wait()
	})
}

// TestInstanceIsForgotten leaves an instance without workers, and then without its memory.
func TestInstanceIsForgotten(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		two(w)
		w.want("x_total", "12")
		w.wantHand("", w.hand("w1", 100, counter(5, 100)))
		w.refuse("h:2")
		w.deregister("w1", "w2")
		_, _ = w.gather()
		ctx, cancel := context.WithCancel(w.t.Context())
		var group sync.WaitGroup
		group.Go(func() { _ = w.federator.Run(ctx) })
		time.Sleep(7*24*time.Hour - time.Hour)
		if n := len(w.federator.Instances()); n != 1 {
			t.Errorf("%d instances within instance_retention", n)
		}
		time.Sleep(2 * time.Hour)
		if n := len(w.federator.Instances()); n != 0 {
			t.Errorf("%d instances after it", n)
		}
		cancel()
		group.Wait()
	})
}

func TestSeriesLimitIsSaid(t *testing.T) {
	inWorld(t, func(j *Job) { j.Merge.SeriesLimit = 3 }, func(w *world) {
		two(w)
		if w.want("x_total", "12"); w.logged("series_limit") > 0 {
			t.Error("said before it is reached")
		}
		w.at("h:2", answer{page: counter(7, 100) + "a 1\nb 2\nc 3\n"})
		for range 3 {
			w.want("x_total", "12")
		}
		if n := w.logged("series_limit"); n != 2 { // the message, and its key
			t.Errorf("said %d times:\n%s", n, w.log)
		}
	})
}
