package federator

import (
	"encoding/json"
	"time"
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
