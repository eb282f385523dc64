package discovery

import (
	"context"
	"math/rand/v2"
	"time"
)

// The bounds of the wait after an error. The longest Retry-After that is believed keeps a proxy's slip of the pen from
// blinding the federator for a day.
const (
	leastBackoff      = 250 * time.Millisecond
	mostBackoff       = 15 * time.Second
	longestRetryAfter = 5 * time.Minute
)

// backoff grows with each error in a row. The zero value is ready.
type backoff struct{ last time.Duration }

func (b *backoff) reset() { b.last = 0 }

// next is jittered over its upper half, so that five hundred federators do not come back to a Consul all at once.
func (b *backoff) next(retryAfter time.Duration) time.Duration {
	b.last = min(max(2*b.last, 2*leastBackoff), mostBackoff)
	wait := b.last/2 + rand.N(b.last/2+1)
	return max(wait, min(retryAfter, longestRetryAfter))
}

// sleep waits and says whether it waited to the end; it ends at once with the context.
func sleep(ctx context.Context, wait time.Duration) bool {
	if wait <= 0 {
		return ctx.Err() == nil
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
