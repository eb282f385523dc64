package federator

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/fedscrape/fedscrape/discovery"
	"github.com/fedscrape/fedscrape/exposition"
)

// TestFinalOfALife tells of which life of the worker a final snapshot is: of the one that is known, whose counters may have been
// reset and whose clock may have been set, or of one that began since and ends before anybody has seen it.
func TestFinalOfALife(t *testing.T) {
	f := func(shown, start, value float64, hand, total, resets, replaced string) {
		t.Helper()
		inWorld(t, nil, func(w *world) {
			two(w)
			w.at("h:2", answer{page: counter(7, shown)})
			w.want("x_total", "12")
			w.wantHand(hand, w.hand("w2", start, counter(value, start)))
			for series, want := range map[string]string{
				"x_total": total, "fedscrape_resets_absorbed_total": resets, "fedscrape_workers_departed_total{reason=replaced}": replaced,
			} {
				w.want(series, want)
			}
			if got := fmt.Sprint(w.metric("fedscrape_resets_absorbed_total")); got != resets {
				t.Errorf("%s resets of the job, want %s", got, resets)
			}
		})
	}
	f(100, 100, 9, "", "14", "0", "0")
	f(100, 100.9, 9, "", "14", "0", "0")
	f(100.9, 100, 9, "", "14", "0", "0")
	f(100, 100, 3, "", "15", "1", "0")
	f(0, 100, 3, "", "15", "1", "0")
	f(100, 9000, 9, "", "14", "0", "0")
	f(100, 9000, 3, "", "15", "0", "1")
	f(9000, 100, 9, "unknown", "12", "0", "0")
}

// TestFinalOfABase takes only what a worker has gained since another instance counted it: nothing, where nobody has asked it
// here; all of it, where it is another process.
func TestFinalOfABase(t *testing.T) {
	for start, want := range map[float64]string{200: "5", 9000: "14"} {
		inTwoInstances(t, func(w *world) {
			w.movable("w2", "h:2", "web1")
			w.tell()
			w.wantHand("", w.hand("w2", start, counter(9, start)))
			w.wantAt(want, "7")
		})
	}
}

// TestFinalOfADepartedIsKnown has a worker that was gone already say goodbye: its registration, if it is seen again, is what is
// left of it.
func TestFinalOfADepartedIsKnown(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		oneDeparted(w)
		w.wantHand("", w.hand("w2", 100, counter(9, 100)))
		w.want("x_total", "14")
		w.register("w2", "h:2")
		w.tell()
		w.want("x_total", "14")
		w.wantStates("1:up")
	})
}

// TestFinalOfWhom takes a final snapshot of nobody who is registered for another instance, and finds the job by its label.
func TestFinalOfWhom(t *testing.T) {
	inWorld(t, func(j *Job) { j.Limits = exposition.Limits{Samples: 20, Labels: 2} }, func(w *world) {
		two(w)
		w.want("x_total", "12")
		w.movable("w9", "h:9", "web2")
		w.wantHand("unknown", w.hand("w9", 100, counter(9, 100)))
		w.wantHand("", w.hand("w9", 100, counter(9, 100), func(f *Final) { f.Instance = "web2" }))
		label := func(d *discovery.Worker) { d.Job = "label" }
		w.register("w10", "h:10", label)
		w.wantHand("unknown", w.hand("w10", 100, counter(9, 100)))
		w.wantHand("unknown", w.hand("w10", 100, counter(9, 100), func(f *Final) { f.Job = "label" }))
		w.tell() // now it is known whose label that is
		w.register("w11", "h:11", label, func(d *discovery.Worker) { d.Instance = "web3" })
		w.wantHand("", w.hand("w11", 100, counter(9, 100), func(f *Final) { f.Job, f.Instance = "label", "web3" }))
		w.wantHand("too large", w.hand("w2", 100, counter(9, 100)+"y{a=\"1\",b=\"2\",c=\"3\"} 1\n"))
		w.wantHand("bad", w.hand("w2", 100, counter(9, 100)+"y{\n"))
		w.want("x_total", "12")
	})
}

// TestFinalWithoutASample is taken of a worker that never had one.
func TestFinalWithoutASample(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		two(w)
		w.at("h:2", answer{page: "# nothing yet\n"})
		w.want("x_total", "5")
		w.wantHand("", w.hand("w2", 100, ""))
		w.want("fedscrape_workers_departed_total{reason=goodbye}", "1")
	})
}

// TestLinesAreLookedThroughOnceAMinute lets go of lines that nobody has not with each page.
func TestLinesAreLookedThroughOnceAMinute(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		two(w)
		in := func() *Instance { return w.federator.all()[0] }
		for range 3 {
			before := in().compacted
			time.Sleep(compactInterval - time.Second)
			if w.value("x_total"); !in().compacted.Equal(before) {
				t.Error("before the minute is over")
			}
			time.Sleep(time.Second)
			if w.value("x_total"); !in().compacted.Equal(time.Now()) {
				t.Error("not after a minute")
			}
		}
	})
}

// readFunc is a body that does something before it is read.
type readFunc func([]byte) (int, error)

func (f readFunc) Read(p []byte) (int, error) { return f(p) }

// TestFinalOfALifeThatIsFoundMeanwhile has a scrape find the worker's new life while that life's final snapshot is read: it is
// that life's, not the folded one's.
func TestFinalOfALifeThatIsFoundMeanwhile(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		two(w)
		w.at("h:2", answer{page: counter(7, 100)})
		w.want("x_total", "12")
		page := strings.NewReader(counter(4, 9000))
		found := false
		w.wantHand("", w.hand("w2", 9000, "", func(f *Final) {
			f.Body = readFunc(func(p []byte) (int, error) {
				if !found {
					found = true
					w.at("h:2", answer{page: counter(3, 9000)})
					w.want("x_total", "15")
				}
				return page.Read(p)
			})
		}))
		w.want("x_total", "16")
	})
}
