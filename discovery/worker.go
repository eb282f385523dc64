package discovery

import (
	"cmp"
	"time"

	"github.com/fedscrape/fedscrape/relabel"
)

// Worker is one discovered worker after relabeling. It must be immutable during its lifetime.
type Worker struct {
	relabel.Target
	// Key names the incarnation for as long as it lives: datacenter, partition, namespace, node and service ID in
	// Consul, elsewhere the address. The address of a Consul service is not part of it.
	Key string
	// ServiceID is what the worker says in X-Fedscrape-Worker; empty where the discovery is not Consul.
	ServiceID string
	Node      string
	// CreateIndex is Consul's: of two registrations the higher is the newer. 0 elsewhere.
	CreateIndex uint64
	// StartTime is the meta start_time; zero where it is not told.
	StartTime time.Time
}

// Compare orders registrations, the newest last: by start time, then by Consul's CreateIndex. 0 where neither tells.
func (w *Worker) Compare(o *Worker) int {
	return cmp.Or(w.StartTime.Compare(o.StartTime), cmp.Compare(w.CreateIndex, o.CreateIndex))
}
