package federator

import (
	"context"
	"fmt"
	"strconv"
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

func TestFirstWorkersAreAskedAtOnce(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		defer w.run()()
		time.Sleep(time.Millisecond) // the next look is a second away
		two(w)
		synctest.Wait()
		if n := w.metric("fedscrape_rounds_total", "trigger", "sweep"); n != 1 || w.times("h:1") != 1 {
			t.Errorf("%v rounds, and a worker was asked %d times", n, w.times("h:1"))
		}
	})
}

// Instances that become known together have their first rounds a few at a time, and nobody is asked beside these.
func TestFirstWorkersAreAskedInRounds(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		defer w.run()()
		for i := range 40 {
			key := fmt.Sprintf("w%02d", i)
			w.register(key, "h:"+key, func(d *discovery.Worker) { d.Instance = "i" + key })
			w.at("h:"+key, answer{page: counter(1, 100), delay: time.Second})
		}
		w.change()
		w.mu.Lock()
		defer w.mu.Unlock()
		if n := len(w.asked); n != maxSweeps {
			t.Errorf("%d workers asked at once", n)
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

// A worker that ends tells what it counted since the last page, and is asked on until it refuses.
func TestWhoGoesIsAskedAtOnce(t *testing.T) {
	inMeetings(t, nil, func(w *world) {
		w.at("h:2", answer{page: counter(9, 100)})
		before := w.times("h:2")
		w.deregister("w2")
		synctest.Wait()
		time.Sleep(time.Second)
		w.change() // nothing has
		if n := w.times("h:2") - before; n != 1 {
			t.Errorf("asked %d times", n)
		}
		w.refuse("h:2")
		w.wantStates("1:up 2:up")
		w.want("x_total", "14")
		w.wantStates("1:up")
	})
}

// Who is not there any more departs, and is in the ledger before a page has to wait for that.
func TestWhoHasGoneDepartsAtOnce(t *testing.T) {
	inMeetings(t, nil, func(w *world) {
		w.refuse("h:2")
		w.deregister("w2")
		synctest.Wait()
		w.wantStates("1:up")
		if n := w.metric("fedscrape_workers_departed_total", "reason", reasonVanished); n != 1 {
			t.Errorf("%v departed", n)
		}
		if w.federator.all()[0].unsaved() {
			t.Error("the ledger does not have who departed")
		}
		w.want("x_total", "12")
	})
}

// The ledger is written once for all who go together.
func TestWhoHaveGoneAreSavedTogether(t *testing.T) {
	inMeetings(t, nil, func(w *world) {
		w.refuse("h:2")
		w.at("h:1", answer{err: errRefused, delay: time.Second})
		w.at("h:3", answer{err: errRefused, delay: 2 * time.Second}) // and does not listen yet
		w.register("w3", "h:3")
		w.deregister("w1", "w2")
		synctest.Wait()
		w.wantStates("1:up 3:new")
		in := w.federator.all()[0]
		if !in.unsaved() {
			t.Error("saved before the last one has answered")
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if in.unsaved() {
			t.Error("not saved after it")
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

// Who runs out of time is not registered any more for two rounds before it departs: asking it beside them is none.
func TestMeetingIsNoRound(t *testing.T) {
	inMeetings(t, nil, func(w *world) {
		w.at("h:2", answer{err: &scraper.Error{Result: scraper.ResultTimeout, Err: context.DeadlineExceeded}})
		w.deregister("w2")
		synctest.Wait()
		w.want("x_total", "12")
		w.wantStates("1:up 2:failed")
		w.want("x_total", "12")
		w.wantStates("1:up")
	})
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

// manyCome registers more workers than are asked at once. The first of them answer after some time, the rest after another.
func manyCome(w *world, first, rest time.Duration) (workers int, asked func() int) {
	workers = 2*maxMeetings + 10
	for i := range workers {
		key, delay := fmt.Sprintf("n%03d", i), first
		if i >= maxMeetings {
			delay = rest
		}
		w.at("h:"+key, answer{page: counter(1, 100), delay: delay})
		w.register(key, "h:"+key)
	}
	w.change()
	return workers, func() (n int) {
		for i := range workers {
			n += w.times(fmt.Sprintf("h:n%03d", i))
		}
		return n
	}
}

func TestMeetingsAreBounded(t *testing.T) {
	inMeetings(t, nil, func(w *world) {
		workers, asked := manyCome(w, time.Second, time.Second)
		for _, want := range []int{maxMeetings, 2 * maxMeetings, workers, workers} {
			if n := asked(); n != want {
				t.Errorf("%d asked, want %d", n, want)
			}
			time.Sleep(time.Second)
			synctest.Wait()
		}
	})
}

// Who has to wait is asked by a round that begins meanwhile, and by nobody else.
func TestRoundAsksWhoWaits(t *testing.T) {
	for name, delay := range map[string]time.Duration{"and has ended": time.Millisecond, "and waits for them": 7 * time.Second} {
		t.Run(name, func(t *testing.T) {
			inMeetings(t, nil, func(w *world) {
				workers, asked := manyCome(w, 5*time.Second, delay)
				time.Sleep(time.Millisecond)
				if w.want("x_total", strconv.Itoa(12+workers)); asked() != workers {
					t.Errorf("%d requests to %d workers", asked(), workers)
				}
			})
		})
	}
}

// Who comes and goes while it waits waits once, and is not asked when it has departed.
func TestWhoComesAndGoesWaitsOnce(t *testing.T) {
	inMeetings(t, nil, func(w *world) {
		_, _ = manyCome(w, time.Second, time.Second)
		w.at("h:2", answer{page: counter(7, 100)})
		for range 10 {
			w.deregister("w2")
			w.register("w2", "h:2")
			w.change()
		}
		if n := len(w.federator.meetings.waiting); n != maxMeetings+10+1 {
			t.Errorf("%d wait", n)
		}
		before := w.times("h:2")
		w.wantHand("", w.hand("w2", 100, counter(8, 100)))
		time.Sleep(3 * time.Second)
		if n := w.times("h:2") - before; n != 0 {
			t.Errorf("asked %d times", n)
		}
	})
}

// Who comes while the first round asks others does not wait for the next.
func TestWhoComesDuringTheFirstRound(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		defer w.run()()
		two(w)
		w.at("h:1", answer{page: counter(5, 100), delay: 5 * time.Second})
		w.change()
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

// Who is handing in its last page is not asked beside that.
func TestMeetingLeavesWhoHandsInAlone(t *testing.T) {
	inMeetings(t, nil, func(w *world) {
		in := w.federator.all()[0]
		in.mu.Lock()
		m := in.byServiceID("w2")
		m.handsIn, m.changed = true, time.Now()
		in.meetings++
		in.mu.Unlock()
		if in.meet(m) {
			t.Error("it was asked")
		}
		m.handsIn = false
		if !in.meet(m) {
			t.Error("it would not have been asked")
		}
	})
}
