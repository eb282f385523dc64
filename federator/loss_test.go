package federator

import (
	"errors"
	"testing"
	"time"
)

// TestBaseAfterALoss loses the ledger while a worker hangs that counted before: whatever becomes of it until it answers, its
// first page is its base; all of it counts where its start time shows that it began after the loss.
func TestBaseAfterALoss(t *testing.T) {
	f := func(name string, until func(w *world)) {
		for _, start := range []string{"unknown", "before", "after"} {
			t.Run(name+", its start "+start, func(t *testing.T) { baseAfterALoss(t, start, until) })
		}
	}
	web1 := func(w *world) { w.movable("w2", "h:2", "web1"); w.tell() }
	web2 := func(w *world) { w.movable("w2", "h:2", "web2"); w.tell() }
	cutOff := func(w *world) { w.refuse("h:2"); w.deregister("w2"); w.wantAt("0", "none") }
	f("moves", web1)
	f("moves to and fro", func(w *world) { web1(w); web2(w); web1(w) })
	f("restart", func(w *world) { w.wantAt("0", "none"); w.restart(); web2(w); web1(w) })
	f("moves and a restart", func(w *world) { web1(w); w.wantAt("0", "none"); w.restart(); web1(w) })
	f("restart at once", func(w *world) { w.restart(); web1(w) })
	f("departs and moves", func(w *world) { cutOff(w); web1(w) })
	f("departs for long", func(w *world) { cutOff(w); time.Sleep(2 * time.Hour); w.wantAt("0", "none"); web2(w); web1(w) })
	f("departs for long, over a restart", func(w *world) {
		cutOff(w)
		time.Sleep(2 * time.Hour)
		w.wantAt("0", "none")
		w.restart()
		w.tell()
		web1(w)
	})
	f("its job goes and comes back", func(w *world) {
		web1(w)
		w.federator.Apply([]*Job{})
		w.restart()
		w.federator.Apply([]*Job{w.job})
		web1(w)
	})
}

// baseAfterALoss loses the ledger of two instances, and asks the worker that hung once it is in web1.
func baseAfterALoss(t *testing.T, when string, until func(w *world)) {
	inTwoInstances(t, func(w *world) {
		starts := map[string]float64{"before": unix(time.Now())}
		time.Sleep(time.Hour)
		if err := w.ledger.SetAside(errors.New("a test")); err != nil {
			t.Fatal(err)
		}
		w.refuse("h:2")
		w.restart()
		w.tell()
		w.wantAt("0", "none")
		starts["after"] = unix(time.Now().Add(time.Minute))
		until(w)
		first, second := "0", "2"
		if when == "after" {
			first, second = "9", "11"
		}
		w.at("h:2", answer{page: counter(9, starts[when])})
		w.wantAt(first, "none")
		w.at("h:2", answer{page: counter(11, starts[when])})
		w.wantAt(second, "none")
	})
}

// TestMoveBackAfterRetention moves a worker that departed for so long that it is folded, and back.
func TestMoveBackAfterRetention(t *testing.T) {
	inTwoInstances(t, func(w *world) {
		movesAfterRetention(w)
		w.wantAt("5", "7")
		time.Sleep(time.Second)
		w.at("h:2", answer{page: counter(3, 9000)}) // its new life
		w.wantAt("8", "7")
		w.movable("w2", "h:2", "web2")
		w.tell()
		w.wantAt("8", "7")
		w.at("h:2", answer{page: counter(4, 9000)})
		w.wantAt("8", "8")
	})
}

// TestLossOfLongAgo counts a worker whole that nobody knew when the ledger was lost, though nothing tells when it started: the
// federator was restarted since, and discovery has not answered it yet.
func TestLossOfLongAgo(t *testing.T) {
	inTwoInstances(t, func(w *world) {
		if err := w.ledger.SetAside(errors.New("a test")); err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Minute)
		w.restart()
		w.tell()
		w.at("h:2", answer{page: counter(9, 0)})
		w.movable("w2", "h:2", "web1")
		w.movable("w3", "h:3", "web1")
		w.at("h:3", answer{page: counter(30, 0)})
		w.tell()
		w.want("x_total", "44")
	})
}
