package federator

import (
	"context"
	"encoding/json"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// runFor lets the federator sweep for a time.
func (w *world) runFor(d time.Duration) {
	ctx, cancel := context.WithTimeout(w.t.Context(), d)
	defer cancel()
	if err := w.federator.Run(ctx); err != nil {
		w.t.Error(err)
	}
	synctest.Wait()
}

func (w *world) wantKnown(want bool) {
	w.t.Helper()
	if got := len(w.federator.Instances()) == 1; got != want {
		w.t.Errorf("the instance is known: %t, want %t", got, want)
	}
}

// Nobody writes records of an instance without workers, or whose job is gone; it is forgotten all the same when
// federators have run for instance_retention in all.
func TestIdleGrowsOldOverRestarts(t *testing.T) {
	f := func(name string, leave, restart func(w *world)) {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(j *Job) { j.ServeEmpty, j.Merge.InstanceRetention = true, 2*time.Hour }, func(w *world) {
				w.register("w1", "a:1")
				w.at("a:1", answer{page: counter(10, 100)})
				w.tell()
				w.want("x_total", "10")
				w.runFor(time.Hour) // it is not idle yet
				w.refuse("a:1")
				leave(w)
				for range 5 {
					w.runFor(20*time.Minute + 30*time.Second)
					restart(w)
					time.Sleep(time.Minute)
				}
				job := w.job
				w.runFor(10 * time.Minute) // 112 and a half in all, of which at most 3 were not saved
				w.federator.Apply([]*Job{job})
				w.wantKnown(true)
				leave(w)
				restart(w)
				w.runFor(15 * time.Minute)
				w.federator.Apply([]*Job{job})
				w.wantKnown(false)
			})
		})
	}
	f("without workers", func(w *world) {
		w.deregister("w1")
		w.want("x_total", "10")
	}, func(w *world) { w.restart(); w.tell() })
	f("without a job", func(w *world) { w.federator.Apply([]*Job{}) }, func(w *world) {
		w.restart()
		w.federator.Apply([]*Job{})
	})
}

// A worker that departed from an instance that nobody writes since is folded when federators have run for
// departed_retention in all, not before, and not by the time between them.
func TestDepartedGrowOldOverRestarts(t *testing.T) {
	inWorld(t, func(j *Job) { j.ServeEmpty = true }, func(w *world) {
		w.register("w1", "a:1")
		w.at("a:1", answer{page: counter(10, 100)})
		w.tell()
		w.want("x_total", "10")
		w.refuse("a:1")
		w.deregister("w1")
		w.want("x_total", "10")
		for i := range 3 {
			w.runFor(19*time.Minute + 30*time.Second)
			w.federator.Close()
			time.Sleep(10 * time.Hour)
			w.restart()
			w.tell()
			if i == 1 { // who asks has it written
				w.want("x_total", "10")
			}
		}
		w.want("x_total", "10")
		if n := w.federator.Instances()[0].Departed; n != 1 {
			t.Errorf("%d departed are kept after 58 minutes", n)
		}
		w.runFor(5 * time.Minute)
		w.restart()
		w.tell()
		w.want("x_total", "10")
		if n := w.federator.Instances()[0].Departed; n != 0 {
			t.Errorf("%d departed are kept after 63 minutes", n)
		}
	})
}

// A ledger that cannot be written is said once, and asked again each minute; one that hangs gets one write.
func TestClockOfASickLedger(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		s := &sick{Ledger: w.ledger}
		writes := &counting{Ledger: s}
		w.ledger = writes
		w.restart()
		reading := func() (d time.Duration) {
			_ = w.ledger.Load(clockKey, func(_ string, value []byte) error { return json.Unmarshal(value, &d) })
			return d
		}
		s.set(errors.New("no space left on device"), 0)
		w.runFor(5*time.Minute + time.Second)
		if logged, counted := w.logged("the age of what departed"), w.metric("fedscrape_ledger_errors_total"); logged != 1 || counted != 5 || reading() != 0 {
			t.Errorf("logged %d times, counted %v, reading %s", logged, counted, reading())
		}
		s.set(nil, 0)
		w.runFor(time.Minute)
		if reading() < 5*time.Minute {
			t.Errorf("reading %s", reading())
		}
		s.set(nil, 10*time.Minute)
		writes.appends.Store(0)
		w.runFor(9 * time.Minute)
		if n := writes.appends.Load(); n != 1 {
			t.Errorf("%d writes while one hangs", n)
		}
		s.set(nil, 0)
		w.runFor(4 * time.Minute)
		if got := reading(); got < 17*time.Minute {
			t.Errorf("reading %s", got)
		}
		s.set(errors.New("no space left on device"), 0)
		w.runFor(time.Minute)
		if logged := w.logged("the age of what departed"); logged != 2 {
			t.Errorf("logged %d times", logged)
		}
	})
}
