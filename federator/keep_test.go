package federator

import (
	"encoding/json"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fedscrape/fedscrape/ledger"
)

// counting is a ledger that counts its writes of records.
type counting struct {
	ledger.Ledger
	appends atomic.Int64
}

func (c *counting) Append(b *ledger.Batch) error {
	c.appends.Add(1)
	return c.Ledger.Append(b)
}

// keys counts the records whose key has a text.
func (w *world) keys(text string) (n int) {
	_ = w.ledger.Load("", func(key string, _ []byte) error {
		if strings.Contains(key, text) {
			n++
		}
		return nil
	})
	return n
}

// TestRecordsAreWrittenOnce writes records with the page that shows what changed, and not again with the next ones; those of
// whom nobody is left go.
func TestRecordsAreWrittenOnce(t *testing.T) {
	for _, restarts := range []bool{false, true} {
		inWorld(t, nil, func(w *world) {
			c := &counting{Ledger: w.ledger}
			w.ledger = c
			w.restart()
			two(w)
			w.value("x_total")
			step := func(what string, appends int64, members int) {
				t.Helper()
				c.appends.Store(0)
				for range 4 {
					w.value("x_total")
				}
				if got := c.appends.Load(); got != appends || w.keys("/"+memberPrefix) != members {
					t.Errorf("%s: %d times, %d departed workers, want %d", what, got, w.keys("/"+memberPrefix), members)
				}
				if restarts {
					w.restart()
					w.tell()
					w.value("x_total") // it tidies up
				}
			}
			step("nothing", 0, 0)
			w.refuse("h:2")
			w.deregister("w2")
			step("departure", 1, 1)
			w.register("w2", "h:2")
			w.at("h:2", answer{page: counter(8, 100), id: "w2"})
			w.tell()
			step("return", 0, 1) // an older page does not know that it is back
			w.refuse("h:2")
			w.deregister("w2")
			step("second departure", 1, 1)
			time.Sleep(2 * time.Hour)
			step("fold", 1, 0)
			if n := w.keys("/" + identityPrefix); n != 1 {
				t.Errorf("%d identities", n)
			}
		})
	}
}

// TestRecordsHaveTheirTime writes the clock with the ages that are by it.
func TestRecordsHaveTheirTime(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		two(w)
		w.value("x_total")
		time.Sleep(50 * time.Second)
		w.refuse("h:2")
		w.deregister("w2")
		w.value("x_total")
		var d time.Duration
		_ = w.ledger.Load(clockKey, func(_ string, value []byte) error { return json.Unmarshal(value, &d) })
		if d != 50*time.Second {
			t.Errorf("the clock is at %s", d)
		}
	})
}

// TestReturnBeforeAKill kills the federator when its records know that a worker is back, and no page does.
func TestReturnBeforeAKill(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		oneDeparted(w)
		w.at("h:2", answer{page: counter(9, 100)})
		w.register("w2", "h:2")
		w.tell()
		w.federator.all()[0].saveBeside(&keeping{})
		synctest.Wait()
		w.restart()
		w.tell()
		w.want("x_total", "14")
		w.wantStates("1:up 2:up")
	})
}

// ill is a ledger that takes no records, or no pages.
type ill struct {
	ledger.Ledger
	records, pages bool
}

func (l *ill) Append(b *ledger.Batch) error {
	if l.records {
		return errFull
	}
	return l.Ledger.Append(b)
}

func (l *ill) WritePage(key string, page ...[]byte) error {
	if l.pages {
		return errFull
	}
	return l.Ledger.WritePage(key, page...)
}

func (l *ill) WriteAhead(key string, last ...[]byte) ledger.UnfinishedPage {
	return ledger.WholePage(func(page ...[]byte) error { return l.WritePage(key, page...) }, last...)
}

// TestLedgerThatTakesAPart says so, which part it was, and that it works again; what it did not take it gets later.
func TestLedgerThatTakesAPart(t *testing.T) {
	for _, op := range []string{"append", "page"} {
		inWorld(t, nil, func(w *world) {
			l := &ill{Ledger: w.ledger}
			w.ledger = l
			w.restart()
			two(w)
			w.want("x_total", "12")
			l.records, l.pages = op == "append", op == "page"
			w.wantHand("", w.hand("w2", 100, counter(9, 100)))
			for range 3 {
				w.want("fedscrape_ledger_degraded", "1")
			}
			if all, of := w.metric("fedscrape_ledger_errors_total"), w.metric("fedscrape_ledger_errors_total", "op", op); all != of || of < 3 {
				t.Errorf("%v errors, %v of them of op %s", all, of, op)
			}
			if n := w.logged("Ledger works again"); n != 0 {
				t.Errorf("it works again %d times", n)
			}
			l.records, l.pages = false, false
			for range 3 {
				w.want("x_total", "14")
			}
			if n := w.logged("Ledger works again"); n != 1 || w.logged("Ledger has an error") != 1 {
				t.Errorf("it works again %d times:\n%s", n, w.log)
			}
			w.restart()
			w.tell() // it is known to be gone
			w.want("x_total", "14")
			w.wantStates("1:up")
		})
	}
}

// TestWritesAreTimed observes each write once: the first records, and five pages.
func TestWritesAreTimed(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		two(w)
		w.at("h:1", answer{page: counter(5, 100), delay: time.Millisecond}) // the first records are written meanwhile
		for range 5 {
			w.value("x_total")
		}
		families, _ := w.registry.Gather()
		for _, fam := range families {
			if fam.GetName() == "fedscrape_ledger_write_duration_seconds" && fam.GetMetric()[0].GetHistogram().GetSampleCount() == 6 {
				return
			}
		}
		t.Error("six writes are not observed")
	})
}

// TestSaveDue saves beside the pages once a minute, where there was a round since.
func TestSaveDue(t *testing.T) {
	now := time.Now()
	f := func(want bool, saved, begun, last time.Duration) {
		t.Helper()
		in := &Instance{saved: now.Add(-saved), saveBegun: now.Add(-begun), last: now.Add(-last)}
		if saved == 0 {
			in.saved = time.Time{}
		}
		if got := in.saveDue(now); got != want {
			t.Errorf("saved %s ago, begun %s ago, a round %s ago: due %t", saved, begun, last, got)
		}
		if want && (in.saveDue(now) || !in.saveDue(now.Add(saveInterval))) {
			t.Error("not once an interval")
		}
	}
	f(true, 2*time.Minute, 2*time.Minute, time.Minute)
	f(true, time.Minute, time.Minute, time.Second)
	f(false, 0, 2*time.Minute, time.Minute)
	f(false, 59*time.Second, 2*time.Minute, time.Second)
	f(false, 2*time.Minute, 59*time.Second, time.Second)
	f(false, 2*time.Minute, 2*time.Minute, 3*time.Minute)
}

// TestRecordOfOneThatReturned goes with its worker, also where an earlier process wrote it.
func TestRecordOfOneThatReturned(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		oneDeparted(w)
		w.restart()
		w.at("h:2", answer{page: counter(8, 100)})
		w.register("w2", "h:2")
		w.tell()
		w.want("x_total", "13")
		w.deregister("w2") // it is folded at once when it says goodbye
		w.wantHand("", w.hand("w2", 100, counter(9, 100)))
		w.want("x_total", "14")
		if n := w.keys("/" + memberPrefix); n != 0 {
			t.Errorf("%d departed workers are in the ledger", n)
		}
	})
}
