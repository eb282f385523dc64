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
