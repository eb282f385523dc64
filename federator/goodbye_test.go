package federator

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/fedscrape/fedscrape/discovery"
)

// A worker that said goodbye but is still registered and counts on after scrape_timeout lives: nothing of it is lost
// or counted twice.
func TestGoodbyeThatWasNone(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		two(w)
		w.want("x_total", "12")
		w.wantHand("", w.hand("w2", 100, counter(9, 100)))
		w.want("x_total", "14")
		w.at("h:2", answer{page: counter(9, 100), start: 100})
		w.want("x_total", "14")
		time.Sleep(w.job.ScrapeTimeout + time.Second)
		w.want("x_total", "14") // answers, but not higher
		synctest.Wait()
		w.wantStates("1:up")
		w.at("h:2", answer{page: counter(11, 100), start: 100})
		w.value("x_total") // asked beside the round
		synctest.Wait()
		w.want("x_total", "16")
		w.wantStates("1:up 2:up")
		w.restart()
		w.tell()
		w.want("x_total", "16")
		w.wantHand("", w.hand("w2", 100, counter(12, 100))) // this time it goes
		w.refuse("h:2")
		w.deregister("w2")
		w.want("x_total", "17")
		w.want("x_total", "17")
		if n := w.federator.Instances()[0].Departed; n != 0 {
			t.Errorf("%d departed are kept apart after their registration went", n)
		}
	})
}

// A scrape that began before the goodbye and ends after it does not show a life.
func TestGoodbyeDuringAScrape(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		two(w)
		w.want("x_total", "12")
		w.at("h:2", answer{page: counter(11, 100), delay: 5 * time.Second})
		go func() { _, _ = w.gather() }()
		time.Sleep(time.Second)
		w.wantHand("", w.hand("w2", 100, counter(9, 100)))
		w.at("h:2", answer{page: counter(9, 100)})
		time.Sleep(10 * time.Second)
		w.wantStates("1:up")
		w.want("x_total", "14")
	})
}

// Another life under the same ID is no return of the one that said goodbye.
func TestGoodbyeThenAnotherLife(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		two(w)
		w.register("w2", "h:2", func(d *discovery.Worker) { d.CreateIndex = 10 })
		w.tell()
		w.want("x_total", "12")
		w.wantHand("", w.hand("w2", 100, counter(9, 100)))
		w.at("h:2", answer{page: counter(50, 200.5), start: 200.5})
		time.Sleep(w.job.ScrapeTimeout + time.Second)
		w.want("x_total", "14")
		w.want("x_total", "14") // the registration is the old one's
		w.register("w2", "h:2", func(d *discovery.Worker) { d.CreateIndex = 900 })
		w.tell()
		w.want("x_total", "64")
	})
}

// TestAnswersAfterAGoodbye lets one answer that said goodbye and is still registered: it lives where it answers, as itself and
// whole, higher than its last page.
func TestAnswersAfterAGoodbye(t *testing.T) {
	const bad = "y_total{ 1\n"
	f := func(final float64, a answer, lives bool) {
		t.Helper()
		inWorld(t, nil, func(w *world) {
			two(w)
			w.at("h:2", answer{page: counter(7, final)})
			w.want("x_total", "12")
			w.wantHand("", w.hand("w2", final, counter(9, final)))
			a.delay = time.Second // no round waits for it
			w.at("h:2", a)
			time.Sleep(w.job.ScrapeTimeout + time.Second)
			w.want("x_total", "14")
			time.Sleep(2 * time.Second)
			want, states, departed := "14", "1:up", 1
			if lives {
				want, states, departed = "16", "1:up 2:up", 0
			}
			in := w.federator.all()[0]
			in.mu.Lock()
			if len(in.departed) != departed {
				t.Errorf("%+v: %d are kept as departed, want %d", a, len(in.departed), departed)
			}
			in.mu.Unlock()
			w.wantStates(states)
			w.want("x_total", want)
		})
	}
	f(100, answer{page: counter(11, 100)}, true)
	f(100, answer{page: counter(11, 100.5)}, true)
	f(100, answer{page: counter(11, 0)}, true)
	f(0, answer{page: counter(11, 100)}, true)
	f(100, answer{page: counter(11, 100), id: "w2"}, true)
	f(100, answer{page: counter(11, 100), id: "w9"}, false)
	f(100, answer{page: counter(11, 9000)}, false)
	f(100, answer{page: counter(9, 100)}, false)
	f(100, answer{page: counter(8, 100)}, false)
	f(100, answer{page: counter(11, 100) + bad}, false)
	f(100, answer{page: " "}, false)
	f(100, answer{}, false)
}

// TestWhoIsAskedAfterAGoodbye asks nobody who has left otherwise, or whose registration is gone, and one that hangs once.
func TestWhoIsAskedAfterAGoodbye(t *testing.T) {
	f := func(name string, leave func(w *world), want int) {
		t.Run(name, func(t *testing.T) {
			inWorld(t, nil, func(w *world) {
				two(w)
				w.want("x_total", "12")
				leave(w)
				before := w.times("h:2")
				w.at("h:2", answer{page: counter(9, 100), delay: 5 * time.Second})
				time.Sleep(w.job.ScrapeTimeout + time.Second)
				for range 3 {
					w.value("x_total")
				}
				synctest.Wait() // no round waits for who said goodbye
				if got := w.times("h:2") - before; got != want {
					t.Errorf("asked %d times, want %d", got, want)
				}
			})
		})
	}
	f("vanished", func(w *world) { w.refuse("h:2"); w.deregister("w2"); w.want("x_total", "12") }, 0)
	f("still registered", func(w *world) { w.wantHand("", w.hand("w2", 100, counter(9, 100))) }, 1)
	f("registration gone", func(w *world) { w.wantHand("", w.hand("w2", 100, counter(9, 100))); w.deregister("w2") }, 0)
	f("registration gone before", func(w *world) {
		w.at("h:2", answer{page: counter(9, 100)})
		w.deregister("w2")
		w.wantHand("", w.hand("w2", 100, counter(9, 100)))
		if n := w.federator.Instances()[0].Departed; n != 0 {
			w.t.Errorf("%d departed are kept apart", n)
		}
	}, 0)
}

// TestDeparturesAfterAGoodbyeThatWasNone lets one live on that said goodbye, and then go as any other.
func TestDeparturesAfterAGoodbyeThatWasNone(t *testing.T) {
	f := func(name string, test func(w *world)) {
		t.Run(name, func(t *testing.T) {
			inWorld(t, nil, func(w *world) {
				two(w)
				w.want("x_total", "12")
				w.wantHand("", w.hand("w2", 100, counter(9, 100)))
				w.at("h:2", answer{page: counter(11, 100), id: "w2"})
				time.Sleep(w.job.ScrapeTimeout + time.Second)
				w.value("x_total")
				synctest.Wait()
				w.want("x_total", "16")
				test(w)
			})
		})
	}
	f("cut off and back", func(w *world) {
		w.refuse("h:2")
		w.deregister("w2")
		w.want("x_total", "16")
		w.at("h:2", answer{page: counter(12, 100), id: "w2"})
		w.register("w2", "h:2")
		w.tell()
		w.want("x_total", "17")
		w.wantStates("1:up 2:up")
	})
	f("replaced", func(w *world) {
		w.at("h:2", answer{page: counter(3, 9000), id: "w9"})
		w.want("x_total", "16")
		w.value("x_total")
		w.tell()
		w.wantStates("1:up")
	})
}

// TestGoodbyeIsKnownForLong keeps the registration of one that said goodbye, for longer than others are kept apart.
func TestGoodbyeIsKnownForLong(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		two(w)
		w.want("x_total", "12")
		w.wantHand("", w.hand("w2", 100, counter(9, 100)))
		w.refuse("h:2")
		for range 3 {
			time.Sleep(2 * time.Hour)
			w.want("x_total", "14")
			w.tell()
			w.wantStates("1:up")
		}
	})
}
