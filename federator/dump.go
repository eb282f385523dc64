package federator

import (
	"cmp"
	"errors"
	"log/slog"
	"math"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/fedscrape/fedscrape/ledger"
	"github.com/fedscrape/fedscrape/merge"
)

// DumpedInstance is what a ledger has of an instance.
type DumpedInstance struct {
	InstanceStatus
	// Gone are workers that have departed and may return.
	Gone []WorkerStatus `json:"gone"`
	// Folded is how many workers are folded for good and remembered.
	Folded  int            `json:"folded"`
	Metrics []*Explanation `json:"metrics"`
}

// Dump reads a ledger as a federator does that starts on it, but for the configuration: gauges are merged by the
// default modes.
func Dump(l ledger.Ledger, logger *slog.Logger) ([]DumpedInstance, error) {
	now := time.Now()
	f := New(Options{Logger: logger, Registerer: prometheus.NewRegistry(), Ledger: l})
	defer f.Close()
	instances, err := f.readLedger(nil, now)
	if err != nil {
		return nil, err
	}
	slices.SortFunc(instances, func(a, b *Instance) int {
		return cmp.Or(cmp.Compare(a.key.job, b.key.job), cmp.Compare(a.key.instance, b.key.instance))
	})
	list := []DumpedInstance{}
	for _, in := range instances {
		dumped, err := in.dump(now)
		if err != nil {
			return nil, err
		}
		list = append(list, dumped)
	}
	return list, nil
}

func (in *Instance) dump(now time.Time) (DumpedInstance, error) {
	d := DumpedInstance{InstanceStatus: in.status(), Gone: []WorkerStatus{}, Folded: len(in.folded.byKey), Metrics: []*Explanation{}}
	for _, m := range in.departed {
		d.Gone = append(d.Gone, m.status())
	}
	slices.SortFunc(d.Gone, func(a, b WorkerStatus) int { return cmp.Compare(a.ServiceID, b.ServiceID) })
	for _, family := range in.fold.Families(now) {
		e, err := explain(in.fold, family.Name, math.MaxInt)
		if _, unknown := errors.AsType[*merge.UnknownMetricError](err); unknown {
			continue
		}
		if err != nil {
			return d, err
		}
		d.Metrics = append(d.Metrics, e)
	}
	return d, nil
}
