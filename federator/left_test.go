package federator

import (
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fedscrape/fedscrape/ledger"
)

// saves is a ledger that notes when records are appended, and refuses them from some call on. It is safe for concurrent use.
type saves struct {
	ledger.Ledger
	mu   sync.Mutex
	at   []time.Time
	sick int // how many are taken; -1: all
}

// savedTwo is two, whose records are noted.
func savedTwo(w *world) *saves {
	s := &saves{Ledger: w.ledger, sick: -1}
	w.ledger = s
	w.restart()
	two(w)
	return s
}

func (s *saves) Append(batch *ledger.Batch) error {
	s.mu.Lock()
	s.at = append(s.at, time.Now())
	refuses := s.sick >= 0 && len(s.at) > s.sick
	s.mu.Unlock()
	if refuses {
		return errors.New("no space left")
	}
	return s.Ledger.Append(batch)
}

// anew forgets when, and says how many are taken from now on.
func (s *saves) anew(sick int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.at, s.sick = nil, sick
}

// since gives when records were appended.
func (s *saves) since(begun time.Time) (at []time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, a := range s.at {
		at = append(at, a.Sub(begun))
	}
	return at
}

// TestDepartedAreSavedWhileOthersAnswer: what departed workers left is with the records while others have not answered yet, where it is
// much, and the page of the round says the same with and without.
func TestDepartedAreSavedWhileOthersAnswer(t *testing.T) {
	less(t, 64<<10)
	f := func(name, left string, sick int, change func(w *world), saved ...time.Duration) {
		t.Run(name, func(t *testing.T) {
			inWorld(t, nil, func(w *world) {
				s := savedTwo(w)
				w.at("h:1", answer{page: left})
				w.want("x_total", "12")
				w.deregister("w1")
				w.refuse("h:1")
				w.at("h:2", answer{page: counter(8, 100), delay: 2 * time.Second})
				change(w)
				begun := time.Now()
				s.anew(sick)
				w.want("x_total", "13")
				if at := s.since(begun); !slices.Equal(at, saved) {
					t.Errorf("records were saved %v after the round began, want %v", at, saved)
				}
				s.anew(-1)
				w.want("x_total", "13")
				w.restart()
				w.want("x_total", "13")
			})
		})
	}
	nothing := func(*world) {}
	f("much", many(5), -1, nothing, 0)
	f("little", counter(5, 100), -1, nothing, 2*time.Second)
	f("it fails", many(5), 0, nothing, 0, 2*time.Second)
	f("who leaves hangs", many(5), -1, func(w *world) {
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

// TestNewLinesAreRecordedAfterThePage: a first page that names many new lines does not wait for the records to have them. Whoever is
// killed in between finds them in the page.
func TestNewLinesAreRecordedAfterThePage(t *testing.T) {
	less(t, 64<<10) // for many
	f := func(name string, sick int) {
		t.Run(name, func(t *testing.T) {
			inWorld(t, nil, func(w *world) {
				s := savedTwo(w)
				w.at("h:1", answer{page: many(5), delay: time.Second})
				s.anew(sick)
				begun := time.Now()
				w.want("x_total", "12")
				synctest.Wait()
				if at := s.since(begun); !slices.Equal(at, []time.Duration{0, time.Second}) {
					t.Errorf("records were saved %v after the round began, not at once and after the page", at)
				}
				w.refuse("h:1")
				w.restart()
				w.want("x_total", "12")
				w.want("many_total{k=77}", "5")
				s.anew(-1)
				w.want("x_total", "12")
				if synctest.Wait(); sick < 0 && len(s.since(begun)) > 0 {
					t.Error("records are saved although nothing is new")
				}
			})
		})
	}
	f("killed after", -1)
	f("killed before", 1)
}
