package federator

import (
	"encoding/json"
	"sync"
	"time"

	"github.com/fedscrape/fedscrape/ledger"
)

// clock is how long federators have run on a ledger in all. Ages are kept by it: while no federator runs nothing grows
// old, and a step of the wall clock neither folds nor forgets anything.
type clock struct {
	before  time.Duration // of earlier processes
	started time.Time
}

// at gives the clock's reading at a time of this process.
func (c *clock) at(t time.Time) time.Duration { return c.before + t.Sub(c.started) }

// time gives the time of this process at which the clock would have had a reading.
func (c *clock) time(reading time.Duration) time.Time { return c.started.Add(reading - c.before) }

// clockKey is where the ledger has the last reading.
const clockKey = "clock"

func (c *clock) record(now time.Time) []byte {
	b, _ := json.Marshal(c.at(now)) // a number
	return b
}

// resume goes on from the reading of an earlier process.
func (c *clock) resume(record []byte) error { return json.Unmarshal(record, &c.before) }

// clockSaves is when the clock was saved last.
type clockSaves struct {
	mu     sync.Mutex
	begun  time.Time
	under  bool // one hangs
	failed bool
}

// saveClock saves the clock once a minute: what is idle writes no records, and grows old nevertheless.
func (f *Federator) saveClock(now time.Time) {
	s := &f.clockSaves
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.under || now.Sub(s.begun) < saveInterval {
		return
	}
	var batch ledger.Batch
	batch.Put(clockKey, f.clock.record(now))
	s.begun = now
	s.under = f.spawn(func() { f.clockSaved(f.ledger.Append(&batch)) })
}

// clockSaved says once that the clock cannot be saved.
func (f *Federator) clockSaved(err error) {
	s := &f.clockSaves
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.under = false; err != nil {
		f.metrics.ledgerErrors.WithLabelValues("append").Inc()
		if !s.failed {
			f.logger.Error("Ledger has an error: the age of what departed is lost if the federator is killed now", "err", err)
		}
	}
	s.failed = err != nil
}
