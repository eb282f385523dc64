package federator

import (
	"testing"
	"time"

	"github.com/prometheus/common/promslog"

	"github.com/fedscrape/fedscrape/ledger"
)

// TestIdentitiesOutliveTheirInstance reads back what a first instance wrote, and forgets what is old.
func TestIdentitiesOutliveTheirInstance(t *testing.T) {
	store, k, logger := ledger.NewMemory(), instanceKey{"webapp", "web1"}, promslog.NewNopLogger()
	begun := time.Unix(1_800_000_000, 0)
	ids := openIdentities(store, k, logger)
	ids.remember("a", identity{Start: 100, At: begun, Goodbye: true, ServiceID: "webapp-1"})
	ids.remember("b", identity{Start: 200, At: begun.Add(time.Hour), ServiceID: "webapp-2"})
	ids.remember("a", identity{Start: 100, At: begun.Add(2 * time.Hour), Goodbye: true, ServiceID: "webapp-1"}) // again: the younger counts
	for _, ids := range []*identities{ids, openIdentities(store, k, logger)} {
		if !ids.handedIn("webapp-1", 100.4) || ids.handedIn("webapp-1", 150) || ids.handedIn("webapp-2", 200) {
			t.Error("who said goodbye is not told")
		}
		if id, ok := ids.byKey["b"]; !ok || id.Goodbye || id.Start != 200 {
			t.Errorf("b is %+v", id)
		}
	}
	if other := openIdentities(store, instanceKey{"webapp", "web10"}, logger); len(other.byKey) != 0 {
		t.Errorf("another instance has %v", other.byKey)
	}
	ids.expire(begun.Add(4*time.Hour), 150*time.Minute)
	for _, ids := range []*identities{ids, openIdentities(store, k, logger)} {
		if _, old := ids.byKey["b"]; old || len(ids.byKey) != 1 || len(ids.queue) != 1 || !ids.handedIn("webapp-1", 100) {
			t.Errorf("after 4h: %+v, queue %v", ids.byKey, ids.queue)
		}
	}
}
