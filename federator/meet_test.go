package federator

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fedscrape/fedscrape/discovery"
	"github.com/fedscrape/fedscrape/scraper"
)

// run has the federator ask by itself, until the test calls what it gives.
func (w *world) run() (stop func()) {
	ctx, cancel := context.WithCancel(w.t.Context())
	var group sync.WaitGroup
	group.Go(func() { _ = w.federator.Run(ctx) })
	synctest.Wait()
	return func() {
		cancel()
		group.Wait()
	}
}

// inMeetings is inWorld with two workers that a first round has asked, and a federator that asks by itself.
func inMeetings(t *testing.T, change func(*Job), test func(w *world)) {
	t.Helper()
	inWorld(t, change, func(w *world) {
		defer w.run()()
		two(w)
		w.want("x_total", "12")
		time.Sleep(time.Second)
		test(w)
	})
}

// change tells what is registered, and lets no time pass until all have been asked for it.
func (w *world) change() {
	w.tell()
	synctest.Wait()
}

func TestFirstWorkersAreAskedSoon(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		defer w.run()()
		time.Sleep(time.Millisecond) // the next look is a second away
		two(w)
		if synctest.Wait(); w.times("h:1") != 0 {
			t.Error("asked before others could come")
		}
		time.Sleep(firstDelay)
		synctest.Wait()
		if n := w.metric("fedscrape_rounds_total", "trigger", "sweep"); n != 1 || w.times("h:1") != 1 {
			t.Errorf("%v rounds, and a worker was asked %d times", n, w.times("h:1"))
		}
	})
}

func TestWhoComesIsAskedAtOnce(t *testing.T) {
	inMeetings(t, nil, func(w *world) {
		before := w.times("h:1")
		w.at("h:3", answer{page: counter(3, 100)})
		w.register("w3", "h:3")
		w.change()
		if w.times("h:3") != 1 || w.times("h:1") != before {
			t.Errorf("asked %d times, and another worker %d times more", w.times("h:3"), w.times("h:1")-before)
		}
		w.wantStates("1:up 2:up 3:up")
		w.change() // nothing has
		if w.times("h:3") != 1 {
			t.Errorf("asked %d times", w.times("h:3"))
		}
		w.want("x_total", "15")
	})
}

// Who comes back is asked as who comes.
func TestWhoComesBackIsAskedAtOnce(t *testing.T) {
	inMeetings(t, nil, func(w *world) {
		w.refuse("h:2")
		w.deregister("w2")
		w.want("x_total", "12")
		time.Sleep(time.Second)
		w.at("h:2", answer{page: counter(9, 100)})
		w.register("w2", "h:2")
		before := w.times("h:2")
		w.change()
		w.wantStates("1:up 2:up")
		if n := w.times("h:2") - before; n != 1 {
			t.Errorf("asked %d times", n)
		}
	})
}

// A worker that was registered before it listens has not failed: its first page comes with the next round.
func TestMeetingThatFailsSaysNothing(t *testing.T) {
	inMeetings(t, nil, func(w *world) {
		w.register("w3", "h:3")
		w.change()
		w.wantStates("1:up 2:up 3:new")
		if n := w.logged("level=WARN"); n != 0 || w.times("h:3") != 1 {
			t.Errorf("asked %d times, %d warnings:\n%s", w.times("h:3"), n, w.log)
		}
		w.at("h:3", answer{page: counter(3, 100)})
		w.want("x_total", "15")
	})
}

// Nor has an instance's first worker, for a first round that nobody waits for.
func TestFirstLookThatIsRefusedSaysNothing(t *testing.T) {
	for name, c := range map[string]struct {
		asks bool
		want string
	}{"nobody asks": {false, "1:up 9:new, 0 warnings"}, "somebody asks meanwhile": {true, "1:up 9:failed, 1 warnings"}} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, nil, func(w *world) {
				defer w.run()()
				w.at("h:1", answer{page: counter(5, 100), delay: time.Second})
				w.at("h:9", answer{err: errRefused, delay: time.Second})
				w.register("w1", "h:1")
				w.register("w9", "h:9")
				w.change()
				time.Sleep(firstDelay)
				if c.asks {
					w.want("x_total", "5")
				}
				time.Sleep(2 * time.Second)
				if got := fmt.Sprintf("%s, %d warnings", w.states(), w.logged("level=WARN")); got != c.want || w.times("h:9") != 1 {
					t.Errorf("%s after %d requests, want %s:\n%s", got, w.times("h:9"), c.want, w.log)
				}
				w.at("h:9", answer{page: counter(3, 100)})
				w.want("x_total", "8")
				w.wantStates("1:up 9:up")
			})
		})
	}
}

// A round waits for the request that is under way, and what becomes of it is the round's.
func TestRoundJoinsAMeeting(t *testing.T) {
	for name, c := range map[string]struct {
		answer
		want string
	}{
		"answers": {answer{page: counter(3, 100), delay: time.Second}, "15 1:up 2:up 3:up"},
		"fails":   {answer{err: errRefused, delay: time.Second}, "12 1:up 2:up 3:failed"},
	} {
		t.Run(name, func(t *testing.T) {
			inMeetings(t, nil, func(w *world) {
				w.at("h:3", c.answer)
				w.register("w3", "h:3")
				w.change()
				if got := w.value("x_total") + " " + w.states(); got != c.want || w.times("h:3") != 1 {
					t.Errorf("%s after %d requests, want %s", got, w.times("h:3"), c.want)
				}
			})
		})
	}
}

// Who comes while the first round asks others does not wait for the next.
func TestWhoComesDuringTheFirstRound(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		defer w.run()()
		two(w)
		w.at("h:1", answer{page: counter(5, 100), delay: 5 * time.Second})
		w.change()
		time.Sleep(firstDelay)
		synctest.Wait() // for the round
		w.at("h:3", answer{page: counter(3, 100)})
		w.register("w3", "h:3")
		w.change()
		if n := w.times("h:3"); n != 1 {
			t.Errorf("asked %d times", n)
		}
	})
}

// Where nobody is to be asked but for a page, nobody is.
func TestNoMeetingsWithoutSweeps(t *testing.T) {
	inMeetings(t, func(j *Job) { j.SweepInterval = 0 }, func(w *world) {
		w.at("h:3", answer{page: counter(3, 100)})
		w.register("w3", "h:3")
		w.change()
		if n := w.times("h:3"); n != 0 {
			t.Errorf("asked %d times", n)
		}
	})
}

// Of two registrations with one address the newer is asked.
func TestMeetingAsksAnAddressOnce(t *testing.T) {
	inMeetings(t, nil, func(w *world) {
		before := w.times("h:2")
		w.at("h:2", answer{page: counter(1, 200), start: 200, id: "w3"})
		w.register("w3", "h:2", func(d *discovery.Worker) { d.StartTime = time.Now() })
		w.deregister("w2")
		synctest.Wait()
		if n := w.times("h:2") - before; n != 1 {
			t.Errorf("asked %d times", n)
		}
		w.wantStates("1:up 3:up")
		w.want("x_total", "13")
	})
}

// A request that is under way is enough.
func TestMeetingLeavesARequestAlone(t *testing.T) {
	inMeetings(t, nil, func(w *world) {
		before := w.times("h:2")
		w.at("h:2", answer{page: counter(8, 100), delay: 5 * time.Second})
		go func() { _, _ = w.gather() }()
		time.Sleep(time.Second)
		w.deregister("w2")
		synctest.Wait()
		if n := w.times("h:2") - before; n != 1 {
			t.Errorf("asked %d times", n)
		}
		time.Sleep(5 * time.Second)
	})
}

// A page that is made while a meeting lasts does not count it as failed, neither then nor in the next round.
func TestPageDoesNotEndAMeeting(t *testing.T) {
	inMeetings(t, nil, func(w *world) {
		w.at("h:1", answer{page: counter(5, 100), delay: 5 * time.Second})
		w.at("h:3", answer{page: counter(3, 100), delay: 3 * time.Second})
		done := make(chan struct{})
		go func() { defer close(done); _, _ = w.gather() }()
		time.Sleep(4900 * time.Millisecond)
		w.register("w3", "h:3")
		w.change()
		<-done
		w.wantStates("1:up 2:up 3:new")
		w.at("h:1", answer{page: counter(5, 100)})
		w.want("x_total", "15")
		if n := w.logged("level=WARN"); n != 0 {
			t.Errorf("%d warnings:\n%s", n, w.log)
		}
	})
}

// Who has run out of time in a meeting has all of the next round's.
func TestMeetingDoesNotMakeSlow(t *testing.T) {
	inMeetings(t, nil, func(w *world) {
		w.at("h:3", answer{err: &scraper.Error{Result: scraper.ResultTimeout, Err: context.DeadlineExceeded}})
		w.register("w3", "h:3")
		w.change()
		w.at("h:3", answer{page: counter(3, 100), delay: time.Second})
		w.want("x_total", "15")
	})
}
