package discovery

import (
	"context"
	"time"
)

// The pace of a watch: the first change after a quiet time is seen at once, then fetches are spaced, as Consul wakes a
// watch for each single registration (200 registrations, 200 answers of the whole list).
const (
	leastPause  = 100 * time.Millisecond
	bigPause    = time.Second
	bigEntries  = 1000
	noWaitIndex = 0 // asks for an answer at once
)

// watch repeats one blocking query until its context ends.
type watch struct {
	// least is the least time between two fetches, where that is longer than the watch's own.
	least time.Duration
	// tableIndex says that any change anywhere moves the index of the answer, also those that do not wake the query. Asked
	// with an index from before the pause, it would answer at once: so the pause ends with a question of index 0.
	tableIndex bool
	// query asks once; index 0 asks for an answer at once. It says how many entries came and the index to ask with next.
	query func(ctx context.Context, index uint64) (entries int, next uint64, err error)
	// failed is told of each error but that of an ended context.
	failed func(error)
}

func (w *watch) run(ctx context.Context) {
	var index uint64
	var wait backoff
	for ctx.Err() == nil {
		entries, next, err := w.query(ctx, index)
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			w.failed(err)
			index = noWaitIndex
			sleep(ctx, wait.next(retryAfter(err)))
		default:
			wait.reset()
			woken := index != noWaitIndex
			index = nextIndex(index, next)
			switch {
			case !w.tableIndex:
				sleep(ctx, w.pause(entries))
			case woken:
				sleep(ctx, w.pause(entries))
				index = noWaitIndex
			}
		}
	}
}

// nextIndex goes back to 0 where the server's index fell (a restore, a restarted dev agent): asked with an index that
// it has not reached yet, Consul holds the answer back even when something happens.
func nextIndex(asked, got uint64) uint64 {
	if got < asked {
		return noWaitIndex
	}
	return got
}

func (w *watch) pause(entries int) time.Duration {
	if entries >= bigEntries {
		return max(bigPause, w.least)
	}
	return max(leastPause, w.least)
}
