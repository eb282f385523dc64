package federator

import (
	"time"

	"github.com/fedscrape/fedscrape/discovery"
)

// mayBeFromBeforeLoss tells whether a worker that joins may have counted before a ledger was lost: then what it shows
// first is its base, as the merged counters that had it fell to 0. Where nothing tells when it started, it is one that
// is there when discovery answers first. Its page decides. Until then an identity says so, which goes wherever it goes.
func (in *Instance) mayBeFromBeforeLoss(w *discovery.Worker) bool {
	lost := in.federator.ledger.Lost()
	switch {
	case lost.IsZero():
		return false
	case !w.StartTime.IsZero():
		return w.StartTime.Before(lost)
	default:
		return !in.federator.settled[in.job.Name] && in.federator.lostAtOpening()
	}
}

// lostAtOpening tells whether the ledger was set aside when it was opened for this federator.
func (f *Federator) lostAtOpening() bool {
	return f.ledger.Lost().After(f.clock.started.Add(-lossWindow))
}

// lossWindow is how long before the federator counts as started a ledger may have been lost by it.
const lossWindow = time.Minute

// another tells whether a worker's first page is of another process than the one that was counted before.
func (in *Instance) another(m *member, start float64) bool {
	return m.folded != (identity{}) && in.fold.Silent(m.inc) && m.folded.other(start, in.federator.ledger.Lost())
}
