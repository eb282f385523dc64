package federator

import (
	"errors"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fedscrape/fedscrape/discovery"
)

// hand hands in a final snapshot and gives what became of it: "" is taken.
func (w *world) hand(id string, start float64, page string, change ...func(*Final)) string {
	final := Final{Job: "webapp", Instance: "web1", ServiceID: id, StartTime: start, ContentType: "text/plain", Body: strings.NewReader(page)}
	for _, c := range change {
		c(&final)
	}
	err := w.federator.Final(w.t.Context(), final)
	if refused, ok := errors.AsType[*FinalError](err); ok {
		return [...]string{FinalBad: "bad", FinalUnknown: "unknown", FinalTooLarge: "too large", FinalNotReady: "not ready"}[refused.Kind]
	}
	if err != nil {
		return err.Error()
	}
	return ""
}

func (w *world) wantHand(want, got string) {
	w.t.Helper()
	if got != want {
		w.t.Errorf("the final snapshot is %q, want %q", got, want)
	}
}

func TestFinal(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		two(w)
		w.want("x_total", "12")
		w.wantHand("", w.hand("w2", 100.5, counter(9, 100.5)))
		w.want("x_total", "14")
		w.wantStates("1:up")
		w.wantHand("", w.hand("w2", 100.5, counter(9, 100.5))) // again: taken before
		w.tell()                                               // its registration is still there
		w.want("x_total", "14")
		w.wantStates("1:up")
		w.want("fedscrape_workers_departed_total{reason=goodbye}", "1")
		w.want("fedscrape_lost_updates_possible_total", "0")
		w.deregister("w2")
		w.want("x_total", "14")
	})
}

func TestFinalRefused(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		two(w)
		w.want("x_total", "12")
		w.wantHand("bad", w.hand("w2", 100, "<html>"))
		w.wantHand("bad", w.hand("w2", 100, "")) // it had samples: a process that is half dead
		w.wantHand("bad", w.hand("w2", 100, "# TYPE x counter\nx_total 1\n", func(f *Final) { f.ContentType = "application/openmetrics-text" }))
		w.wantHand("too large", w.hand("w2", 100, strings.Repeat("# padding\n", 1<<17)))
		w.wantHand("unknown", w.hand("w2", 50, counter(9, 50))) // another life
		w.wantHand("unknown", w.hand("nobody", 100, counter(9, 100)))
		w.wantHand("unknown", w.hand("w2", 100, "", func(f *Final) { f.Job = "nope" }))
		w.want("x_total", "12")
		w.wantStates("1:up 2:up")
		if n := w.metric("fedscrape_finals_total", "result", "bad"); n != 3 {
			t.Errorf("%v bad finals", n)
		}
	})
}

// TestFinalOfAWorkerThatNobodySaw is born and gone before any watch shows it.
func TestFinalOfAWorkerThatNobodySaw(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		two(w)
		w.want("x_total", "12")
		w.register("w3", "h:3") // in Consul, not told
		w.wantHand("", w.hand("w3", 200, counter(3, 200)))
		w.want("x_total", "15")
		w.tell() // the watch shows it late
		w.want("x_total", "15")
		w.wantStates("1:up 2:up")
		w.wantHand("", w.hand("w3", 200, counter(3, 200)))
		w.want("x_total", "15")
		w.wantHand("", w.hand("batch", 300, counter(1, 300), func(f *Final) { f.Authenticated = true }))
		w.want("x_total", "16")
		w.want("fedscrape_workers_departed_total{reason=goodbye}", "2")
	})
}

// during does something while it is read first.
type during struct {
	io.Reader
	do func()
}

func (d *during) Read(p []byte) (int, error) {
	if d.do != nil {
		d.do()
		d.do = nil
	}
	return d.Reader.Read(p)
}

// TestFinalRacesAnOlderList: a list from before the worker was registered says nothing about it.
func TestFinalRacesAnOlderList(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		two(w)
		w.want("x_total", "12")
		w.register("w3", "h:3") // in Consul, not told
		older := func() {
			w.tell(func(u *discovery.Update) {
				u.Workers = slices.DeleteFunc(u.Workers, func(worker discovery.Worker) bool { return worker.ServiceID == "w3" })
			})
		}
		w.wantHand("bad", w.hand("w3", 200, "", func(f *Final) { f.Body = &during{strings.NewReader("<html>"), older} }))
		w.wantHand("", w.hand("w3", 200, "", func(f *Final) { f.Body = &during{strings.NewReader(counter(3, 200)), older} }))
		w.want("x_total", "15")
		w.want("fedscrape_workers_departed_total{reason=goodbye}", "1")
		w.want("fedscrape_workers_departed_total{reason=vanished}", "0")
		w.want("fedscrape_lost_updates_possible_total", "0")
		w.register("w4", "h:4")
		w.wantHand("bad", w.hand("w4", 300, "<html>"))
		w.deregister("w4") // after the attempt it goes like any other
		w.wantStates("1:up 2:up")
		w.want("fedscrape_workers_departed_total{reason=vanished}", "1")
	})
}

// TestFinalMakesAnInstanceKnown is the first that is heard of an instance.
func TestFinalMakesAnInstanceKnown(t *testing.T) {
	inWorld(t, func(j *Job) { j.ServeEmpty = true }, func(w *world) {
		w.tell()
		w.register("w1", "h:1")
		w.wantHand("", w.hand("w1", 200, counter(3, 200)))
		w.want("x_total", "3")
	})
}

// TestFinalRacesAScrape begins a scrape before the final snapshot that ends after it with less.
func TestFinalRacesAScrape(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		two(w)
		w.want("x_total", "12")
		w.at("h:2", answer{page: counter(8, 100), delay: 2 * time.Second})
		var group sync.WaitGroup
		group.Go(func() { w.want("x_total", "15") })
		synctest.Wait()
		w.wantHand("", w.hand("w2", 100, counter(10, 100)))
		group.Wait()
		w.want("x_total", "15")
		w.want("fedscrape_resets_absorbed_total", "0")
	})
}

// TestFinalOfADeparted hands in after the registration went and the port was found closed.
func TestFinalOfADeparted(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		oneDeparted(w)
		w.wantStates("1:up")
		w.wantHand("", w.hand("w2", 100, counter(9, 100)))
		w.want("x_total", "14")
	})
}
