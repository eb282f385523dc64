package federator

import (
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fedscrape/fedscrape/ledger"
)

// saves is a ledger that notes when records are appended, or refuses them.
type saves struct {
	ledger.Ledger
	at  []time.Time
	err error
}

func (s *saves) Append(batch *ledger.Batch) error {
	s.at = append(s.at, time.Now())
	if s.err != nil {
		return s.err
	}
	return s.Ledger.Append(batch)
}

// TestDepartedAreSavedWhileOthersAnswer: what departed workers left is with the records while others have not answered yet, where it is
// much, and the page of the round says the same with and without.
func TestDepartedAreSavedWhileOthersAnswer(t *testing.T) {
	less(t, 64<<10)
	f := func(name string, left string, change func(w *world, s *saves), saved ...time.Duration) {
		t.Run(name, func(t *testing.T) {
			inWorld(t, nil, func(w *world) {
				s := &saves{Ledger: w.ledger}
				w.ledger = s
				w.restart()
				two(w)
				w.at("h:1", answer{page: left})
				w.want("x_total", "12")
				w.deregister("w1")
				w.refuse("h:1")
				w.at("h:2", answer{page: counter(8, 100), delay: 2 * time.Second})
				change(w, s)
				begun := time.Now()
				s.at = nil
				w.want("x_total", "13")
				var at []time.Duration
				for _, a := range s.at {
					at = append(at, a.Sub(begun))
				}
				if !slices.Equal(at, saved) {
					t.Errorf("records were saved %v after the round began, want %v", at, saved)
				}
				s.err = nil
				w.want("x_total", "13")
				w.restart()
				w.want("x_total", "13")
			})
		})
	}
	nothing := func(*world, *saves) {}
	f("much", many(5), nothing, 0)
	f("little", counter(5, 100), nothing, 2*time.Second)
	f("it fails", many(5), func(_ *world, s *saves) { s.err = errors.New("no space left") }, 0, 2*time.Second)
	f("who leaves hangs", many(5), func(w *world, _ *saves) {
		w.at("h:1", answer{delay: time.Hour}) // nobody has departed, and nothing changed
	})
}

// TestKilledAfterDepartedAreSaved kills the federator when the records have who departed, and no page of the round.
func TestKilledAfterDepartedAreSaved(t *testing.T) {
	less(t, 64<<10)
	inWorld(t, nil, func(w *world) {
		two(w)
		w.at("h:1", answer{page: many(5)})
		w.want("x_total", "12")
		w.deregister("w1")
		w.refuse("h:1")
		w.at("h:2", answer{page: counter(8, 100), delay: 2 * time.Second})
		go func() { _, _ = w.gather() }()
		time.Sleep(time.Second)
		synctest.Wait()
		w.restart()
		w.at("h:1", answer{page: counter(500, 300)}) // another process, which nobody is to take for w1
		w.at("h:2", answer{page: counter(8, 100)})
		w.want("x_total", "13")
		w.want("many_total{k=77}", "5")
		w.wantStates("2:up")
	})
}
