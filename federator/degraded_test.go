package federator

import (
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fedscrape/fedscrape/ledger"
)

var errFull = errors.New("no space left on device")

// sick is a ledger whose disk is full, or hangs.
type sick struct {
	ledger.Ledger
	only  string // what keys have to have in them to be ill; empty: any
	ahead bool   // pages are ill when they begin, not at their end
	mu    sync.Mutex
	err   error
	delay time.Duration
	acts  int // under way
	most  int // of them
}

func (s *sick) set(err error, delay time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.err, s.delay = err, delay
}

func (s *sick) act() error {
	s.mu.Lock()
	delay, err := s.delay, s.err
	s.acts++
	s.most = max(s.most, s.acts)
	s.mu.Unlock()
	time.Sleep(delay) // fake time
	s.mu.Lock()
	defer s.mu.Unlock()
	s.acts--
	return err
}

func (s *sick) Append(b *ledger.Batch) error {
	ill := s.only == ""
	written := ledger.NewMemory()
	_ = written.Append(b)
	_ = written.Load("", func(key string, _ []byte) error { ill = ill || strings.Contains(key, s.only); return nil })
	if ill {
		if err := s.act(); err != nil {
			return err
		}
	}
	return s.Ledger.Append(b)
}

func (s *sick) WritePage(key string, page ...[]byte) error {
	if strings.Contains(key, s.only) {
		if err := s.act(); err != nil {
			return err
		}
	}
	return s.Ledger.WritePage(key, page...)
}

func (s *sick) WriteAhead(key string, last ...[]byte) ledger.UnfinishedPage {
	if s.ahead {
		_ = s.act() // an error is left to Finish, which tries again
		return s.Ledger.WriteAhead(key, last...)
	}
	return ledger.WholePage(func(page ...[]byte) error { return s.WritePage(key, page...) }, last...)
}

// inSickWorld has two workers and a ledger that the test can make ill.
func inSickWorld(t *testing.T, test func(w *world, s *sick)) {
	inWorld(t, nil, func(w *world) {
		s := &sick{Ledger: w.ledger}
		w.ledger = s
		w.restart()
		two(w)
		w.want("x_total", "12")
		test(w, s)
	})
}

// A full disk lets the page go out, says so where people look, and what was not written is written when there is room.
func TestFullDisk(t *testing.T) {
	inSickWorld(t, func(w *world, s *sick) {
		s.set(errFull, 0)
		w.at("h:1", answer{page: counter(6, 100)})
		w.refuse("h:2")
		w.deregister("w2")
		w.want("fedscrape_ledger_degraded", "1") // on the first page that the ledger lacks
		w.want("x_total", "13")
		if w.metric("fedscrape_ledger_degraded") != 1 || w.metric("fedscrape_ledger_errors_total") < 2 {
			t.Error("the metrics do not show it")
		}
		if e := w.federator.Instances()[0].LedgerError; e != "no space left on device" {
			t.Errorf("the API says %q", e)
		}
		if n := w.logged("Ledger has an error"); n != 1 {
			t.Errorf("logged %d times", n)
		}
		s.set(nil, 0)
		w.want("fedscrape_ledger_degraded", "none") // on none that it has
		w.restart()
		w.want("x_total", "13")
	})
}

// A disk that hangs costs a page a second, and the next ones nothing. The state that is written in the end is whole.
func TestHungDisk(t *testing.T) {
	less(t, 64<<10)
	small := func(v float64) string { return counter(v, 100) }
	for _, ahead := range []bool{false, true} {
		for _, page := range []func(v float64) string{small, many} {
			inSickWorld(t, func(w *world, s *sick) {
				w.at("h:1", answer{page: page(5)})
				w.want("x_total", "12")
				s.ahead = ahead
				testHungDisk(w, s, page)
			})
		}
	}
}

func testHungDisk(w *world, s *sick, page func(v float64) string) {
	w.t.Helper()
	synctest.Wait() // names of new lines are saved after the page
	s.set(nil, 5*time.Minute)
	for i, want := range []time.Duration{time.Second, 0, 0} {
		begun := time.Now()
		w.at("h:1", answer{page: page(float64(6 + i))})
		w.want("fedscrape_ledger_degraded", "1")
		if took := time.Since(begun); took != want {
			w.t.Errorf("page %d took %s", i, took)
		}
	}
	s.set(nil, 0)
	time.Sleep(5 * time.Minute)
	synctest.Wait()
	w.want("x_total", "15")
	w.value("x_total")
	w.want("fedscrape_ledger_degraded", "none")
	w.restart()
	w.want("x_total", "15")
	if s.most > 1 {
		w.t.Errorf("%d writes hung at once", s.most)
	}
}

// A page is shown after what it shows is in the ledger: a hang of less than a second delays it. It is there to be encoded
// before that.
func TestPageWaitsForTheLedger(t *testing.T) {
	inSickWorld(t, func(w *world, s *sick) {
		s.set(nil, 300*time.Millisecond)
		begun := time.Now()
		page, err := w.federator.Prepare(w.t.Context(), "webapp", "web1")
		if took := time.Since(begun); err != nil || took != 0 {
			t.Fatalf("prepared after %s: %v", took, err)
		}
		if other := page.Kept(); other != nil {
			t.Errorf("another page is to be shown: %v", find(other, "fedscrape_ledger_degraded"))
		}
		if took := time.Since(begun); took != 300*time.Millisecond {
			t.Errorf("took %s", took)
		}
		w.want("fedscrape_ledger_degraded", "none")
	})
}

// A page that was prepared, and that the ledger does not take, is not the one to be shown.
func TestPreparedPageIsReplaced(t *testing.T) {
	inSickWorld(t, func(w *world, s *sick) {
		s.set(errFull, 300*time.Millisecond)
		page, err := w.federator.Prepare(w.t.Context(), "webapp", "web1")
		if err != nil || page.Kept == nil {
			t.Fatalf("not prepared: %v", err)
		}
		other := page.Kept()
		if got := find(page, "fedscrape_ledger_degraded"); got != "none" {
			t.Errorf("the page that others read is changed: %s", got)
		}
		if other == nil || find(other, "fedscrape_ledger_degraded") != "1" || find(other, "x_total") != "12" {
			t.Errorf("to be shown is %v", other)
		}
		if again := page.Kept(); again != other {
			t.Error("two who ask are shown two pages")
		}
	})
}
