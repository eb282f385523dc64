package federator

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fedscrape/fedscrape/ledger"
)

// noted is a ledger that notes when a page is begun.
type noted struct {
	ledger.Ledger
	begun []time.Time
}

func (n *noted) WriteAhead(key string, last ...[]byte) ledger.UnfinishedPage {
	n.begun = append(n.begun, time.Now())
	return n.Ledger.WriteAhead(key, last...)
}

// notedTwo is two, whose pages are noted.
func notedTwo(w *world) *noted {
	n := &noted{Ledger: w.ledger}
	w.ledger = n
	w.restart()
	two(w)
	return n
}

// less makes so many bytes enough.
func less(t *testing.T, bytes int) {
	t.Helper()
	was := enough
	t.Cleanup(func() { enough = was })
	enough = bytes
}

// many is a page of so many lines that what it says is written at once.
func many(v float64) string {
	var b strings.Builder
	b.WriteString(counter(v, 100) + "# TYPE many_total counter\n")
	for i := range enough / 8 {
		fmt.Fprintf(&b, "many_total{k=\"%d\"} %v\n", i, v)
	}
	return b.String()
}

func (w *world) instance() *Instance {
	in, err := w.federator.find("webapp", "web1")
	if err != nil {
		w.t.Fatal(err)
	}
	return in
}

// TestWritesWhileWorkersAnswer: what a worker says is on its way to the ledger while another has not answered yet, and what is
// there in the end is what the page shows, whatever came in between.
func TestWritesWhileWorkersAnswer(t *testing.T) {
	less(t, 64<<10)
	for name, c := range map[string]struct {
		meanwhile func(w *world)
		after     float64 // what it adds
	}{
		"nothing":       {func(*world) {}, 0},
		"a goodbye":     {func(w *world) { w.wantHand("", w.hand("w3", 100, counter(3, 100))) }, 1},
		"another write": {func(w *world) { w.instance().keepNow(true) }, 0},
		"a departure":   {func(w *world) { w.deregister("w1") }, 0},
		"a new line": {func(w *world) {
			w.register("w4", "h:4")
			w.at("h:4", answer{page: "# TYPE new_total counter\nnew_total 1\n"})
			w.tell()
		}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, nil, func(w *world) {
				n := notedTwo(w)
				w.register("w3", "h:3")
				w.tell()
				w.at("h:3", answer{page: counter(2, 100)})
				w.at("h:1", answer{page: many(5)})
				w.want("x_total", "14")
				w.at("h:1", answer{page: many(6)})
				w.at("h:2", answer{page: counter(8, 100), delay: time.Second})
				begun := time.Now()
				n.begun = nil
				done := make(chan string)
				go func() { done <- w.value("x_total") }()
				time.Sleep(time.Second / 2)
				synctest.Wait()
				c.meanwhile(w)
				want := fmt.Sprint(16 + c.after)
				if got := <-done; got != want {
					t.Errorf("got %s, want %s", got, want)
				}
				if len(n.begun) == 0 || !n.begun[0].Equal(begun) {
					t.Errorf("pages were begun at %v, the round at %v", n.begun, begun)
				}
				w.refuse("h:1") // the ledger has what it said
				w.restart()
				w.want("x_total", want)
				w.want("many_total{k=77}", "6")
			})
		})
	}
}

// TestGivenUpIsNotWritten: what a write that is given up still had to write does not get in the way of the one that counts.
func TestGivenUpIsNotWritten(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		n := notedTwo(w)
		w.want("x_total", "12")
		n.begun = nil
		in := w.instance()
		given := in.newWrite(1)
		given.parts <- [][]byte{[]byte("part")}
		given.giveUp()
		if in.write(given); len(n.begun) > 0 {
			t.Errorf("%d pages were begun", len(n.begun))
		}
	})
}
