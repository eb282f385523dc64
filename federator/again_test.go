package federator

import (
	"testing"

	"github.com/fedscrape/fedscrape/discovery"
)

// TestRegisteredAgain takes a worker's registration away, and gives its address another one, of the same process or of the next:
// one `register` beside a process that lives on ends, and another begins.
func TestRegisteredAgain(t *testing.T) {
	again := func(w *world) {
		w.register("w2", "h:1", func(d *discovery.Worker) { d.CreateIndex = 9 })
		w.tell()
	}
	f := func(name string, between func(w *world), page string, total, lost string) {
		t.Run(name, func(t *testing.T) {
			inWorld(t, nil, func(w *world) {
				w.register("w1", "h:1", func(d *discovery.Worker) { d.CreateIndex = 7 })
				w.tell()
				w.at("h:1", answer{page: counter(1000, 100)})
				w.want("x_total", "1000")
				w.deregister("w1")
				between(w)
				w.at("h:1", answer{page: page})
				again(w)
				if list, err := w.federator.Workers("webapp"); err != nil || len(list) != 1 || list[0].Key != "w2" {
					t.Errorf("workers: %v, %v", list, err)
				}
				for range 3 {
					w.want("x_total", total)
					w.wantStates("2:up")
				}
				w.want("fedscrape_lost_updates_possible_total", lost)
				w.restart()
				w.tell()
				w.want("x_total", total)
				w.wantStates("2:up")
			})
		})
	}
	at := func(*world) {}
	asked := func(w *world) { w.want("x_total", "1000") }
	twice := func(w *world) {
		again(w)
		w.deregister("w2")
	}
	restarted := func(w *world) {
		w.restart()
		w.tell()
	}
	f("at once", at, counter(1003, 100), "1003", "0")
	f("after a page", asked, counter(1003, 100), "1003", "0")
	f("twice", twice, counter(1003, 100), "1003", "1") // of w2 nobody had seen a page when it went
	f("after a restart", restarted, counter(1003, 100), "1003", "0")
	f("another process", asked, counter(3, 200), "1003", "1")
	f("another process, higher", at, counter(1500, 200), "2500", "1")
}

// TestRegisteredOverSigned gives the address of a worker that signs its pages a registration of another: that one departs, and who
// signs is asked on.
func TestRegisteredOverSigned(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		w.register("w1", "h:1", func(d *discovery.Worker) { d.CreateIndex = 7 })
		w.tell()
		w.at("h:1", answer{page: counter(1000, 100), id: "w1"})
		w.want("x_total", "1000")
		w.deregister("w1")
		w.register("w2", "h:1", func(d *discovery.Worker) { d.CreateIndex = 9 })
		w.tell()
		w.at("h:1", answer{page: counter(1003, 100), id: "w1"})
		w.want("x_total", "1000")
		w.want("x_total", "1003")
		w.wantStates("1:up")
	})
}
