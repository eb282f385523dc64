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
	mu    sync.Mutex
	at    []time.Time
	sick  int           // how many are taken; -1: all
	delay time.Duration // of each
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
	refuses, delay := s.sick >= 0 && len(s.at) > s.sick, s.delay
	s.mu.Unlock()
	time.Sleep(delay)
	if refuses {
		return errors.New("no space left")
	}
	return s.Ledger.Append(batch)
}

// anew forgets when, and says how many are taken from now on.
func (s *saves) anew(sick int) {
	synctest.Wait() // names of new lines are saved after their page
	s.mu.Lock()
	defer s.mu.Unlock()
	s.at, s.sick = nil, sick
}

// slow makes each take so long.
func (s *saves) slow(delay time.Duration) {
	synctest.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.delay = delay
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
	type times = []time.Duration
	f := func(name, left string, sick int, change func(w *world), saved, then times) {
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
				begun = time.Now()
				w.want("x_total", "13")
				if at := s.since(begun); !slices.Equal(at, then) {
					t.Errorf("records were saved %v after the next round began, want %v", at, then)
				}
				w.restart()
				w.want("x_total", "13")
			})
		})
	}
	nothing := func(*world) {}
	f("much", many(5), -1, nothing, times{0}, nil)
	f("little", counter(5, 100), -1, nothing, times{2 * time.Second}, nil)
	f("it fails", many(5), 0, nothing, times{0, 2 * time.Second}, times{2 * time.Second})
	f("who leaves hangs", many(5), -1, func(w *world) { // it departs in the next round, which waits for it no longer than it must
		w.at("h:1", answer{delay: time.Hour})
	}, nil, times{2*time.Second + slowGrace})
	f("who leaves is refused late", many(5), -1, func(w *world) {
		w.at("h:1", refused(slowGrace/2))
	}, times{slowGrace / 2}, nil)
	f("another one that leaves hangs", many(5), -1, func(w *world) {
		w.register("w3", "h:3")
		w.tell()
		w.at("h:3", answer{page: counter(0, 100)})
		w.at("h:1", answer{page: many(5)})
		w.want("x_total", "13")
		w.deregister("w3")
		w.at("h:3", answer{delay: time.Hour})
		w.refuse("h:1")
	}, times{slowGrace}, times{2*time.Second + slowGrace})
}

// refused is an answer of nobody.
func refused(after time.Duration) answer {
	return answer{err: errRefused, delay: after}
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

// TestSlowSaveAhead: a page that could not wait for the records is not in the ledger when they are, and the ledger does not say so.
func TestSlowSaveAhead(t *testing.T) {
	less(t, 64<<10)
	inWorld(t, nil, func(w *world) {
		s := savedTwo(w)
		w.at("h:1", answer{page: many(5)})
		w.want("x_total", "12")
		w.deregister("w1")
		w.refuse("h:1")
		w.at("h:2", answer{page: counter(8, 100), delay: time.Second / 2})
		s.slow(1200 * time.Millisecond)
		w.want("x_total", "13")
		time.Sleep(5 * time.Second)
		if w.metric("fedscrape_ledger_degraded") != 1 || w.logged("Ledger works again") > 0 {
			t.Error("the ledger is well without the page")
		}
		s.slow(0)
		w.want("x_total", "13")
		if w.metric("fedscrape_ledger_degraded") != 0 || w.logged("Ledger works again") != 1 {
			t.Error("the ledger is ill with the page")
		}
		w.at("h:2", answer{page: counter(0, 900)}) // killed too: another process
		w.restart()
		w.want("x_total", "13")
	})
}

// TestKilledBeforeThePage kills the federator when the records have who departed, and nothing has what present workers did since the last
// page: it is counted once.
func TestKilledBeforeThePage(t *testing.T) {
	less(t, 64<<10)
	inWorld(t, nil, func(w *world) {
		two(w)
		w.register("w4", "h:4")
		w.tell()
		w.at("h:1", answer{page: many(5)})
		w.at("h:4", answer{page: counter(1, 100)})
		w.want("x_total", "13")
		w.deregister("w1")
		w.at("h:1", refused(slowGrace/2))
		w.at("h:2", answer{page: counter(3, 100)}) // a reset
		w.register("w5", "h:5")
		w.tell()
		w.at("h:5", answer{page: counter(1, 400)})
		w.at("h:4", answer{page: counter(1, 100), delay: 2 * time.Second})
		go func() { _, _ = w.gather() }()
		time.Sleep(time.Second)
		synctest.Wait()
		w.restart()
		w.tell()
		w.at("h:4", answer{page: counter(1, 100)})
		w.want("x_total", "17")
		w.want("fedscrape_workers_started_total", "4")
		w.want("fedscrape_resets_absorbed_total", "1")
		w.want("fedscrape_workers_departed_total{reason="+reasonVanished+"}", "1")
	})
}

// TestNoSaveAheadOfABase: where one of several processes at an address is believed, its base is in pages alone, and the records wait.
func TestNoSaveAheadOfABase(t *testing.T) {
	less(t, 64<<10)
	inWorld(t, nil, func(w *world) {
		s := savedTwo(w)
		w.deregister("w1", "w2")
		for key, address := range map[string]string{"v1": "a:1", "v3": "slow:1", "v4": "big:1"} {
			w.register(key, address)
		}
		w.at("slow:1", answer{page: counter(0, 7)})
		w.at("big:1", answer{page: many(0)})
		w.tell()
		list := []*process{{count: 500, start: 100}, {count: 400, start: 200}}
		w.shared(list, 20, func(round int) int { return round % 2 }, slowly)
		w.shared(list, calmAnswers-1, func(int) int { return 0 }, slowly) // the next is believed
		w.deregister("v4")
		w.at("big:1", refused(slowGrace/2))
		w.at("slow:1", answer{page: counter(0, 7), delay: 2 * time.Second})
		list[0].count++
		w.at("a:1", list[0].answer())
		s.anew(-1)
		begun, started := time.Now(), w.federator.all()[0].counts.started
		if _, err := w.gather(); err != nil {
			t.Fatal(err)
		}
		if at := s.since(begun); !slices.Equal(at, []time.Duration{2 * time.Second}) || w.federator.all()[0].counts.started != started+1 {
			t.Errorf("records were saved %v after the round began, in which one was believed", at)
		}
	})
}
