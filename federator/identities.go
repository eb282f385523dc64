package federator

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"time"

	"github.com/fedscrape/fedscrape/discovery"
	"github.com/fedscrape/fedscrape/ledger"
)

// identity is what stays known of an incarnation that is folded: its part is in the sums, and cannot be taken out.
type identity struct {
	Start     float64   `json:"start"` // Unix seconds, 0 where it was not known
	At        time.Time `json:"at"`
	Goodbye   bool      `json:"goodbye"`  // it handed in its final snapshot
	Replaced  string    `json:"replaced"` // the address at which another answers; empty where it was not replaced
	ServiceID string    `json:"service_id"`
	// CreateIndex is of the registration that it had.
	CreateIndex uint64 `json:"create_index"`
}

// gone tells whether a registration is only what is left of the identity, and not its next life under the same ID.
func (id identity) gone(w *discovery.Worker) bool {
	switch {
	case !id.Goodbye && (id.Replaced == "" || id.Replaced != w.Address):
		return false
	case id.CreateIndex > 0 && w.CreateIndex > id.CreateIndex:
		return false
	}
	start := float64(w.StartTime.UnixMilli()) / 1000
	return w.StartTime.IsZero() || id.Start == 0 || sameStart(id.Start, start)
}

// identities are those of an instance's folded incarnations, written to the ledger as they come. The instance's lock
// guards them.
type identities struct {
	store  ledger.Store
	prefix string
	logger *slog.Logger

	byKey  map[string]identity
	finals map[string]identity // of those that said goodbye, by service ID
	queue  []aged              // in the order of age
}

// aged is an entry of the queue; it is stale where byKey has a younger one.
type aged struct {
	key string
	at  time.Time
}

// openIdentities reads what the ledger has of an instance.
func openIdentities(store ledger.Store, k instanceKey, logger *slog.Logger) *identities {
	ids := &identities{
		store: store, prefix: "identity\x00" + k.job + "\x00" + k.instance + "\x00", logger: logger,
		byKey: map[string]identity{}, finals: map[string]identity{},
	}
	err := store.Load(ids.prefix, func(key string, value []byte) error {
		var id identity
		if err := json.Unmarshal(value, &id); err != nil {
			return fmt.Errorf("read the record %q: %w", key, err)
		}
		ids.add(key[len(ids.prefix):], id)
		return nil
	})
	if err != nil {
		logger.Error("Ledger has an error; folded workers that are not read may count twice if they return", "err", err)
	}
	return ids
}

func (ids *identities) add(key string, id identity) {
	ids.byKey[key] = id
	ids.queue = append(ids.queue, aged{key, id.At})
	if id.Goodbye {
		ids.finals[id.ServiceID] = id
	}
}

// remember keeps the identity of an incarnation that is folded now.
func (ids *identities) remember(key string, id identity) {
	ids.add(key, id)
	value, err := json.Marshal(id)
	if err == nil {
		var batch ledger.Batch
		batch.Put(ids.prefix+key, value)
		err = ids.store.Append(&batch)
	}
	if err != nil {
		ids.logger.Error("Ledger has an error; the folded worker is remembered in memory only", "err", err)
	}
}

// handedIn tells whether the final snapshot of this life of a worker was taken before.
func (ids *identities) handedIn(serviceID string, start float64) bool {
	id, ok := ids.finals[serviceID]
	return ok && sameStart(id.Start, start)
}

// expire forgets what is older than retention. It looks at nothing younger, so that a round costs the same after ten
// thousand recycled workers as after one.
func (ids *identities) expire(now time.Time, retention time.Duration) {
	var batch ledger.Batch
	n := 0
	for ; n < len(ids.queue) && now.Sub(ids.queue[n].at) > retention; n++ {
		key := ids.queue[n].key
		id := ids.byKey[key]
		if !id.At.Equal(ids.queue[n].at) {
			continue
		}
		delete(ids.byKey, key)
		if id.Goodbye {
			delete(ids.finals, id.ServiceID)
		}
		batch.Delete(ids.prefix + key)
	}
	if ids.queue = ids.queue[n:]; batch.Len() == 0 {
		return
	}
	if err := ids.store.Append(&batch); err != nil {
		ids.logger.Error("Ledger has an error; old identities stay in it", "err", err)
	}
}
