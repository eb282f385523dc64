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
		two(w)
		w.want("x_total", "12")
		w.refuse("h:2")
		w.deregister("w2")
		w.want("x_total", "12")
		w.at("h:2", answer{page: counter(9, 100)})
		w.register("w2", "h:2")
		w.tell()
		w.federator.all()[0].saveBeside()
		synctest.Wait()
		w.restart()
		w.tell()
		w.want("x_total", "14")
		w.wantStates("1:up 2:up")
	})
}
