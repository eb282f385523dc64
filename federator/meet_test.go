package federator

import (
	"context"
	"fmt"
	"runtime"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"
	"weak"

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
		time.Sleep(firstDelay)
		synctest.Wait()
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

// Who is not there any more departs, and is in the ledger before a page has to wait for that, together with who departs soon after.
func TestWhoHasGoneDepartsAtOnce(t *testing.T) {
	inMeetings(t, nil, func(w *world) {
		w.refuse("h:2")
		w.at("h:1", answer{err: errRefused, delay: partedDelay / 2})
		w.deregister("w1", "w2")
		synctest.Wait()
		w.wantStates("1:up")
		if n := w.metric("fedscrape_workers_departed_total", "reason", reasonVanished); n != 1 {
			t.Errorf("%v departed", n)
		}
		in := w.federator.all()[0]
		time.Sleep(partedDelay - time.Millisecond)
		if !in.unsaved() {
			t.Error("saved at once")
		}
		time.Sleep(2 * time.Millisecond)
		synctest.Wait()
		if w.wantStates(""); in.unsaved() {
			t.Error("the ledger does not have who departed")
		}
	})
}

// So is one whose successor answers at its address.
func TestWhoIsReplacedIsSaved(t *testing.T) {
	inMeetings(t, nil, func(w *world) {
		w.at("h:2", answer{page: counter(1, 200), start: 200})
		w.register("w3", "h:2", func(d *discovery.Worker) { d.StartTime = time.Now() })
		w.deregister("w2")
		time.Sleep(2 * partedDelay)
		if w.wantStates("1:up 3:up"); w.federator.all()[0].unsaved() {
			t.Error("the ledger does not have who departed")
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
		w.at("h:9", answer{page: counter(7, 100)})
		for range 10 {
			w.register("w9", "h:9")
			w.change()
			w.deregister("w9")
		}
		w.register("w9", "h:9")
		w.change()
		if n := len(w.federator.meetings.coming.waiting); n != maxMeetings+10+1 {
			t.Errorf("%d wait", n)
		}
		w.wantHand("", w.hand("w9", 100, counter(8, 100)))
		time.Sleep(3 * time.Second)
		if n := w.times("h:9"); n != 0 {
			t.Errorf("asked %d times", n)
		}
	})
}

// Who goes does not wait for who comes.
func TestWhoGoesWaitsForNobody(t *testing.T) {
	inMeetings(t, nil, func(w *world) {
		_, _ = manyCome(w, time.Second, time.Second)
		before := w.times("h:2")
		w.deregister("w2")
		synctest.Wait()
		if n := w.times("h:2") - before; n != 1 {
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
		time.Sleep(firstDelay)
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

// Who is handing in its last page is not asked beside that, and does not depart for a request that was on its way.
func TestMeetingLeavesWhoHandsInAlone(t *testing.T) {
	inMeetings(t, nil, func(w *world) {
		in := w.federator.all()[0]
		in.mu.Lock()
		m := in.byServiceID("w2")
		m.handsIn, m.registered, m.changed = true, false, time.Now()
		in.mu.Unlock()
		if in.meet(m, &lane{}) {
			t.Error("it was asked")
		}
		in.mu.Lock()
		in.departRefused(m, errRefused)
		in.mu.Unlock()
		w.wantStates("1:up 2:up")
		m.handsIn = false
		if !in.meet(m, &lane{}) {
			t.Error("it would not have been asked")
		}
		in.mu.Lock()
		in.departRefused(m, errRefused)
		in.mu.Unlock()
		w.wantStates("1:up")
	})
}

// More departed than are kept apart, and are back before a page: what they counted is their base.
func TestMoreDepartThanAreKept(t *testing.T) {
	for _, limit := range []int{0, 1} {
		for _, killed := range []bool{false, true} {
			inMeetings(t, func(j *Job) { j.Merge.DepartedLimit = limit }, func(w *world) {
				w.refuse("h:1")
				w.refuse("h:2")
				w.deregister("w1", "w2")
				time.Sleep(2 * partedDelay)
				if w.wantStates(""); killed {
					w.restart()
				}
				two(w)
				synctest.Wait()
				w.want("x_total", "12")
			})
		}
	}
}

// Nor does it matter that one of them has taken another ID.
func TestMoreDepartThanAreKeptUnderNewIDs(t *testing.T) {
	inMeetings(t, func(j *Job) { j.Merge.DepartedLimit = 0 }, func(w *world) {
		w.register("w3", "h:2", func(d *discovery.Worker) { d.StartTime = time.Now() })
		w.deregister("w2")
		synctest.Wait()
		w.wantStates("1:up 3:up")
		time.Sleep(time.Second)
		w.refuse("h:2")
		w.deregister("w3")
		synctest.Wait()
		w.wantStates("1:up")
		w.at("h:2", answer{page: counter(7, 100)})
		w.register("w3", "h:2")
		w.change()
		w.want("x_total", "12")
	})
}

// A page saves who departed, and nobody does it once more.
func TestPageSavesWhoDeparted(t *testing.T) {
	inMeetings(t, nil, func(w *world) {
		w.refuse("h:2")
		w.deregister("w2")
		synctest.Wait()
		w.want("x_total", "12")
		in := w.federator.all()[0]
		saved := in.saved
		time.Sleep(2 * partedDelay)
		if synctest.Wait(); in.saved != saved {
			t.Error("saved again")
		}
	})
}

// A new worker is registered while the old one answers at its address still, and signs: it is not gone for that.
func TestNewWorkerBeforeTheOldOneHasGone(t *testing.T) {
	inMeetings(t, nil, func(w *world) {
		w.at("h:2", answer{page: counter(7, 100), id: "w2", start: 100})
		w.want("x_total", "12")
		time.Sleep(time.Second)
		w.register("w3", "h:2", func(d *discovery.Worker) { d.StartTime = time.Now() })
		w.change()
		w.at("h:2", answer{page: counter(1, 200), id: "w3", start: 200})
		w.deregister("w2")
		synctest.Wait()
		w.want("x_total", "13")
		w.wantStates("1:up 3:up")
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

// Who was registered when it failed for two rounds is asked by one more before it departs.
func TestMeetingExpiresNobody(t *testing.T) {
	inMeetings(t, nil, func(w *world) {
		w.at("h:2", answer{err: &scraper.Error{Result: scraper.ResultTimeout, Err: context.DeadlineExceeded}})
		w.want("x_total", "12")
		w.want("x_total", "12")
		time.Sleep(time.Second)
		w.deregister("w2")
		synctest.Wait()
		w.wantStates("1:up 2:failed")
		w.want("x_total", "12")
		w.wantStates("1:up")
	})
}

// Who comes and departs before a page has it is counted as started by the records that have it departed, and nobody else.
func TestDepartedBeforeAPageHasStarted(t *testing.T) {
	inMeetings(t, nil, func(w *world) {
		comeAndGo := func(key string) {
			w.at("h:"+key, answer{page: counter(3, 100)})
			w.register(key, "h:"+key)
			w.change()
			time.Sleep(time.Second)
			w.refuse("h:" + key)
			w.deregister(key)
			time.Sleep(2 * partedDelay)
		}
		comeAndGo("w3")
		w.want("x_total", "15")
		comeAndGo("w4")
		w.restart()
		w.tell()
		in := w.federator.all()[0] // and no page until the next kill
		in.mu.Lock()
		in.depart(in.byServiceID("w2"), reasonVanished, time.Now())
		in.mu.Unlock()
		in.saveBeside(&keeping{ahead: true})
		synctest.Wait()
		w.deregister("w2")
		w.restart()
		w.tell()
		w.want("x_total", "18")
		w.want("fedscrape_workers_started_total", "4")
		w.want("fedscrape_workers_departed_total{reason=vanished}", "3")
	})
}

// An instance that is forgotten is not saved any more.
func TestForgottenInstanceIsNotSaved(t *testing.T) {
	inMeetings(t, nil, func(w *world) {
		in := w.federator.all()[0]
		w.refuse("h:1")
		w.refuse("h:2")
		w.deregister("w1", "w2")
		synctest.Wait()
		if err := w.federator.Forget("webapp", "web1"); err != nil {
			t.Error(err)
		}
		in.saveBeside(&keeping{}) // it was on its way
		synctest.Wait()
		w.restart()
		if n := len(w.federator.Instances()); n != 0 {
			t.Errorf("%d instances after a restart", n)
		}
	})
}

// Nothing keeps who was asked.
func TestMeetingsKeepNobody(t *testing.T) {
	s := newMeetings()
	s.start()
	held := goingOf(&s)
	for range 5 {
		s.begin(&s.going)
	}
	if runtime.GC(); held.Value() != nil {
		t.Error("it is kept")
	}
	runtime.KeepAlive(&s)
}

// goingOf has some of an instance wait, which nobody else has.
func goingOf(s *meetings) weak.Pointer[Instance] {
	in := &Instance{}
	for range 5 {
		s.add(in, &member{})
	}
	return weak.Make(in)
}
