package federator

import (
	"fmt"
	"runtime"
	"strconv"
	"testing"
	"testing/synctest"
	"time"
	"weak"

	"github.com/fedscrape/fedscrape/discovery"
)

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

// crowd has workers come, of which each answers after its delay. It gives them, and how often they have been asked.
func (w *world) crowd(workers int, delay func(i int) time.Duration) (keys []string, asked func() int) {
	keys = make([]string, workers)
	for i := range keys {
		keys[i] = fmt.Sprintf("n%04d", i)
		w.at("h:"+keys[i], answer{page: counter(1, 100), delay: delay(i)})
		w.register(keys[i], "h:"+keys[i])
	}
	w.change()
	return keys, func() (n int) {
		for _, key := range keys {
			n += w.times("h:" + key)
		}
		return n
	}
}

// manyCome registers more workers than are asked at once. The first of them answer after some time, the rest after another.
func manyCome(w *world, first, rest time.Duration) (workers int, asked func() int) {
	workers = 2*maxComing + 10
	_, asked = w.crowd(workers, func(i int) time.Duration {
		if i < maxComing {
			return first
		}
		return rest
	})
	return workers, asked
}

// wantAsked holds against what is wanted how many are asked, now and each second from now on.
func wantAsked(t *testing.T, asked func() int, wants ...int) {
	t.Helper()
	for _, want := range wants {
		if n := asked(); n != want {
			t.Errorf("%d asked, want %d", n, want)
		}
		time.Sleep(time.Second)
		synctest.Wait()
	}
}

func TestMeetingsAreBounded(t *testing.T) {
	inMeetings(t, nil, func(w *world) {
		workers, asked := manyCome(w, time.Second, time.Second)
		wantAsked(t, asked, maxComing, 2*maxComing, workers, workers)
	})
}

func TestPartingsAreBounded(t *testing.T) {
	inMeetings(t, nil, func(w *world) {
		const workers = maxGoing + 10
		keys, asked := w.crowd(workers, func(int) time.Duration { return 0 })
		w.want("x_total", strconv.Itoa(12+workers))
		before := asked()
		for _, key := range keys {
			w.at("h:"+key, answer{page: counter(1, 100), delay: time.Second})
		}
		time.Sleep(time.Millisecond) // what was asked before a change is asked again
		w.deregister(keys...)
		synctest.Wait()
		wantAsked(t, func() int { return asked() - before }, maxGoing, workers, workers)
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
		if n := len(w.federator.meetings.coming.waiting); n != maxComing+10+1 {
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
