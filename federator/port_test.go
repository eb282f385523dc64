package federator

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/fedscrape/fedscrape/discovery"
	"github.com/fedscrape/fedscrape/merge"
)

// starts are those that a port remembers, with what else it does of them.
func (p *port) starts() string {
	var list []string
	for _, f := range p.former {
		text := fmt.Sprint(f.id, f.start)
		if f.soft {
			text += " soft"
		}
		if f.page != nil {
			text += " page"
		}
		list = append(list, text)
	}
	return strings.Join(list, ", ")
}

// TestPortRemembers bounds what is remembered of who was replaced at an address.
func TestPortRemembers(t *testing.T) {
	page, fold := &merge.Snapshot{}, merge.New(merge.NewOptions())
	f := func(p *port, want string) {
		t.Helper()
		if got := p.starts(); got != want {
			t.Errorf("it remembers %q, want %q", got, want)
		}
	}
	p := &port{quiet: 7}
	for _, s := range []speaker{{start: 1}, {start: 1}, {start: 2}, {start: 2, id: "a"}, {start: 2, id: "a", soft: true}, {start: 1}} {
		p.add(&speaker{id: s.id, start: s.start, soft: s.soft, page: page}, fold)
	}
	f(p, "2 page, a2 page, a2 soft page, 1 page")
	if !p.awake || p.quiet != 0 {
		t.Errorf("awake %t, quiet for %d", p.awake, p.quiet)
	}
	for i := range 30 {
		p.add(&speaker{start: float64(10 + i), page: page}, fold)
	}
	f(p, "24, 25, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36 page, 37 page, 38 page, 39 page")
	p = &port{shared: errors.New("a test"), awake: true, comebacks: 3, former: []*speaker{{start: 0, page: page}, {start: 5, soft: true}, {start: 6, page: page}, {start: 7}}}
	for start, want := range map[float64]bool{0: false, 4: false, 5: true, 7: true} {
		if p.knows(start) != want {
			t.Errorf("knows %v: %t", start, !want)
		}
	}
	p.sleep(fold)
	f(p, "6, 7")
	if p.awake || p.shared != nil || p.comebacks != 0 {
		t.Errorf("%+v sleeps", p)
	}
	p.replace(8, 7)
	f(p, "6, 8")
	p.replace(0, 6)
	f(p, "8")
}

// TestReplacedHere knows by the signature of a page who was replaced at the very address.
func TestReplacedHere(t *testing.T) {
	f := func(serviceID, signed string, id identity, want bool) {
		t.Helper()
		in := &Instance{folded: newIdentities(&clock{})}
		in.folded.remember("key", id)
		m := &member{}
		m.worker.ServiceID, m.worker.Address = serviceID, "a:1"
		if got := in.replacedHere(m, &speaker{id: signed}); got != want {
			t.Errorf("%q at the address of %q, where %+v is known: %t", signed, serviceID, id, got)
		}
	}
	f("w2", "w1", identity{ServiceID: "w1", Replaced: "a:1"}, true)
	f("w2", "w1", identity{ServiceID: "w1", Replaced: "a:9"}, false)
	f("w2", "w1", identity{ServiceID: "w1"}, false)
	f("w2", "w1", identity{ServiceID: "w3", Replaced: "a:1"}, false)
	f("w1", "w1", identity{ServiceID: "w1", Replaced: "a:1"}, false)
	f("", "w1", identity{ServiceID: "w1", Replaced: "a:1"}, false)
	f("w2", "", identity{ServiceID: "", Replaced: "a:1"}, false)
}

// TestNobodyIsSuspected has no port watched where nothing fell and nobody else answered.
func TestNobodyIsSuspected(t *testing.T) {
	f := func(name string, life func(w *world)) {
		t.Run(name, func(t *testing.T) {
			inWorld(t, nil, func(w *world) {
				w.register("w1", "a:1")
				w.tell()
				w.at("a:1", answer{page: counter(5, 100)})
				w.want("x_total", "5")
				life(w)
				w.want("x_total", "7")
				for _, m := range w.federator.all()[0].members {
					if m.port != nil {
						t.Errorf("the port of %s is watched: %s", m.worker.Key, m.port.starts())
					}
				}
			})
		})
	}
	f("counts on", func(w *world) { w.at("a:1", answer{page: counter(7, 100)}) })
	f("shows its start no more", func(w *world) { w.at("a:1", answer{page: counter(7, 0)}) })
	f("signs from now on", func(w *world) { w.at("a:1", answer{page: counter(7, 100), id: "w1"}) })
	f("registers under a new ID", func(w *world) {
		w.register("w2", "a:1", func(d *discovery.Worker) { d.CreateIndex = 9 })
		w.tell()
		w.at("a:1", answer{page: counter(7, 100)})
		w.want("x_total", "7")
		w.wantStates("2:up")
	})
}

// TestClockToAndFro sets the clock of a worker's host again and again: its start time is an earlier one, and it is nobody
// else.
func TestClockToAndFro(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		w.register("w1", "a:1")
		w.tell()
		for i := range 12 {
			w.at("a:1", answer{page: counter(float64(i), float64(100+3600*(i%2)))})
			w.want("x_total", strconv.Itoa(i))
			w.wantStates("1:up")
		}
	})
}

// TestOneWhoComesBackAndStays believes one who was replaced, and answers again, more often than five times in a row: what it counts from
// then on counts.
func TestOneWhoComesBackAndStays(t *testing.T) {
	for _, interrupted := range []bool{false, true} {
		inWorld(t, nil, func(w *world) {
			w.register("w1", "a:1")
			w.register("w9", "good:1")
			w.at("good:1", answer{page: counter(0, 5)})
			w.tell()
			says := func(start, count float64, states string, total float64) {
				t.Helper()
				w.at("a:1", answer{page: counter(count, start)})
				w.want("x_total", fmt.Sprint(total))
				w.wantStates(states)
			}
			says(100, 500, "1:up 9:up", 500)
			says(200, 3, "1:up 9:up", 503)
			for i := range heldAnswers {
				says(100, 501+float64(i), "1:failed 9:up", 503)
			}
			if interrupted { // the second comeback is enough
				says(200, 4, "1:up 9:up", 504)
				says(100, 506, "1:failed 9:up", 504)
				w.wantShared("1")
				return
			}
			says(100, 506, "1:up 9:up", 503)
			says(100, 510, "1:up 9:up", 507)
			says(200, 5, "1:failed 9:up", 507)
		})
	}
}
