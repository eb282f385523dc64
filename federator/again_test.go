package federator

import (
	"testing"
	"time"

	"github.com/fedscrape/fedscrape/discovery"
)

// created is a registration with this CreateIndex.
func created(index uint64) func(*discovery.Worker) {
	return func(d *discovery.Worker) { d.CreateIndex = index }
}

// TestRegisteredAgain takes a worker's registration away, and gives its address another one, of the same process or of the next:
// one `register` beside a process that lives on ends, and another begins.
func TestRegisteredAgain(t *testing.T) {
	again := func(w *world) {
		w.register("w2", "h:1", created(9))
		w.tell()
	}
	f := func(name string, between func(w *world), page string, total, lost string) {
		t.Run(name, func(t *testing.T) {
			inWorld(t, nil, func(w *world) {
				w.register("w1", "h:1", created(7))
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

// TestRegisteredOverSigned gives the address of a worker that signs its pages, and has lost its registration, that of another: that one
// departs, and who signs is asked on, where its own was the newer one in the same round.
func TestRegisteredOverSigned(t *testing.T) {
	f := func(name string, other uint64, totals ...string) {
		t.Run(name, func(t *testing.T) {
			inWorld(t, nil, func(w *world) {
				w.register("w1", "h:1", created(8))
				w.tell()
				w.at("h:1", answer{page: counter(1000, 100), id: "w1"})
				w.want("x_total", "1000")
				w.deregister("w1")
				w.register("w2", "h:1", created(other))
				w.tell()
				w.at("h:1", answer{page: counter(1003, 100), id: "w1"})
				for _, total := range totals {
					w.want("x_total", total)
				}
				w.wantStates("1:up")
			})
		})
	}
	f("by a newer one", 9, "1000", "1003")
	f("by an older one", 7, "1003")
}

// TestRegisteredOverDead gives the address of a worker that has lost its registration another one, and nobody lives there: the first
// departs as if it were asked itself.
func TestRegisteredOverDead(t *testing.T) {
	f := func(name string, then *answer, rounds int, states, reason string) {
		t.Run(name, func(t *testing.T) {
			inWorld(t, nil, func(w *world) {
				w.register("w1", "h:1", created(7))
				w.register("w9", "h:9")
				w.tell()
				w.at("h:9", answer{page: counter(5, 100)})
				w.at("h:1", answer{page: counter(1000, 100), id: "w1"})
				w.want("x_total", "1005")
				w.deregister("w1")
				w.register("w2", "h:1", created(9))
				w.tell()
				if w.refuse("h:1"); then != nil {
					w.at("h:1", *then)
				}
				for range rounds {
					w.want("x_total", "1005")
					time.Sleep(20 * time.Second) // its request runs out of time: the same failure
				}
				w.wantStates(states)
				if reason == "" {
					return
				}
				w.want("fedscrape_workers_departed_total{reason="+reason+"}", "1")
			})
		})
	}
	f("refuses", nil, 1, "2:failed 9:up", reasonVanished)
	f("hangs once", &answer{delay: time.Hour}, 1, "1:failed 2:failed 9:up", "")
	f("hangs", &answer{delay: time.Hour}, 3, "2:failed 9:up", reasonExpired)
	f("another answers", &answer{page: counter(3, 300), id: "other"}, 1, "2:failed 9:up", reasonReplaced)
}
