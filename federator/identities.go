package federator

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/fedscrape/fedscrape/discovery"
)

// identity is what stays known of an incarnation that is folded: its part is in the sums, and cannot be taken out.
type identity struct {
	Start     float64   `json:"start"` // Unix seconds, 0 where it was not known
	At        time.Time `json:"-"`
	Goodbye   bool      `json:"goodbye"`  // it handed in its final snapshot
	Replaced  string    `json:"replaced"` // the address at which another answers; empty where it was not replaced
	ServiceID string    `json:"service_id"`
	// CreateIndex is of the registration that it had.
	CreateIndex uint64 `json:"create_index"`
	// Moved says that another instance has it since: what became of it is known there. From is the instance that had it
	// before.
	Moved bool   `json:"moved,omitempty"`
	From  string `json:"from,omitempty"`
	// Lost says that it may have been counted by a ledger that was lost: its page tells.
	Lost bool `json:"lost,omitempty"`
}

// other tells whether a start time is of another process than the one that was counted.
func (id identity) other(start float64, lost time.Time) bool {
	switch {
	case start == 0:
		return false
	case id.Lost:
		return !time.UnixMilli(int64(start * 1000)).Before(lost)
	}
	return id.Start > 0 && !sameStart(id.Start, start)
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

// identities are those of an instance's folded incarnations. The instance's lock guards them.
type identities struct {
	clock   *clock
	unsaved map[string][]byte // records that the ledger does not have yet; nil: to be deleted

	byKey  map[string]identity
	finals map[string]identity // of those that said goodbye, by service ID
	queue  []aged              // in the order of age
}

// aged is an entry of the queue; it is stale where byKey has a younger one.
type aged struct {
	key string
	at  time.Time
}

// identityRecord is an identity as the ledger has it: its age by the federator's clock.
type identityRecord struct {
	identity
	At time.Duration `json:"at"`
}

func newIdentities(c *clock) *identities {
	return &identities{clock: c, unsaved: map[string][]byte{}, byKey: map[string]identity{}, finals: map[string]identity{}}
}

// restore takes a record of the ledger. After the last one comes sort.
func (ids *identities) restore(key string, value []byte) error {
	var r identityRecord
	if err := json.Unmarshal(value, &r); err != nil {
		return fmt.Errorf("read the identity of the folded worker %q: %w", key, err)
	}
	r.identity.At = ids.clock.time(r.At)
	ids.add(key, r.identity)
	return nil
}

func (ids *identities) sort() {
	slices.SortFunc(ids.queue, func(a, b aged) int { return a.at.Compare(b.at) })
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
	ids.unsaved[key] = mustJSON(identityRecord{id, ids.clock.at(id.At)})
}

// again takes back what could not be saved; what changed since counts.
func (ids *identities) again(records map[string][]byte) {
	for key, value := range records {
		if _, newer := ids.unsaved[key]; !newer {
			ids.unsaved[key] = value
		}
	}
}

// forget takes back that an incarnation is gone.
func (ids *identities) forget(key string) {
	id, known := ids.byKey[key]
	if !known {
		return
	}
	delete(ids.byKey, key)
	if id.Goodbye {
		delete(ids.finals, id.ServiceID)
	}
	ids.unsaved[key] = nil
}

// handedIn tells whether the final snapshot of this life of a worker was taken before.
func (ids *identities) handedIn(serviceID string, start float64) bool {
	id, ok := ids.finals[serviceID]
	return ok && sameStart(id.Start, start)
}

// maxIdentities bounds an instance's identities: one whose workers live for a second has half a million in a week. The
// oldest go first; to count twice such a worker would have to come back after that many others.
const maxIdentities = 4096

// expire forgets what is older than retention. It looks at nothing younger, so that a round costs the same after ten
// thousand recycled workers as after one.
func (ids *identities) expire(now time.Time, retention time.Duration) {
	n := 0
	for ; n < len(ids.queue) && (len(ids.queue)-n > maxIdentities || now.Sub(ids.queue[n].at) > retention); n++ {
		if key := ids.queue[n].key; ids.byKey[key].At.Equal(ids.queue[n].at) {
			ids.forget(key)
		}
	}
	ids.queue = ids.queue[n:]
}
