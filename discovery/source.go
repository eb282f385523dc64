package discovery

import (
	"context"
	"maps"
	"time"

	"github.com/fedscrape/fedscrape/relabel"
)

// candidate is one target as a source found it. It must be immutable once it is handed on.
type candidate struct {
	labels map[string]string
	kind   relabel.Kind
	// key is empty where the address after relabeling is the key.
	key         string
	serviceID   string
	node        string
	createIndex uint64
	startTime   time.Time
	// foreign says that the target is on another node than the agent that told of it, so that its loopback addresses
	// are not ours.
	foreign bool
}

func (c candidate) equal(other candidate) bool {
	return maps.Equal(c.labels, other.labels) && c.kind == other.kind && c.key == other.key && c.serviceID == other.serviceID &&
		c.node == other.node && c.createIndex == other.createIndex && c.startTime.Equal(other.startTime) && c.foreign == other.foreign
}

// found is the whole of what a source knows.
type found struct {
	candidates []candidate
	// answered says that candidates has been whole once.
	answered bool
	// err is what is wrong now; candidates are then the last known ones.
	err error
}

// sink takes what a source has to say. Its functions may be called concurrently.
type sink struct {
	// attempted counts one question to the outside, good or bad.
	attempted func(error)
	// changed has the source's new state.
	changed func(found)
}

// source finds targets until the context ends; run returns when all its goroutines have.
type source interface {
	run(ctx context.Context, to sink)
}
