package ledger

import (
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// One page is synced at once. Who writes a hundred a second has them synced together, and none later than after a rest.
func TestBurstsAreSyncedTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var syncs atomic.Int64
		s := startSyncer(func(string) { syncs.Add(1) })
		want := func(when string, n int64) {
			t.Helper()
			synctest.Wait()
			if got := syncs.Load(); got != n {
				t.Errorf("%d syncs %s, want %d", got, when, n)
			}
		}
		s.ask("a")
		want("at once", 1)
		for range 100 {
			s.ask("a")
			s.ask("b")
		}
		want("before the rest", 1)
		time.Sleep(restBetween)
		want("after it", 3)
		time.Sleep(restBetween)
		s.ask("a")
		want("at once again", 4)
		s.ask("a")
		s.close()
		want("at the end", 5)
		s.ask("a")
		want("after the end", 5)
	})
}
