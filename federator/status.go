package federator

import (
	"cmp"
	"time"
)

// status gives the instance as the API shows it.
func (in *Instance) status() InstanceStatus {
	in.mu.Lock()
	defer in.mu.Unlock()
	s := InstanceStatus{
		Job: in.key.job, Instance: in.key.instance, Series: in.fold.Series(), Departed: in.fold.Kept(),
		LastRound: timeOrNil(in.last), LastRoundSeconds: in.took.Seconds(), Workers: []WorkerStatus{},
	}
	if in.degraded != nil {
		s.LedgerError = in.degraded.Error()
	}
	for _, m := range in.byName() {
		s.Workers = append(s.Workers, m.status())
	}
	return s
}

func (m *member) status() WorkerStatus {
	return WorkerStatus{
		WorkerID: cmp.Or(m.name, m.worker.WorkerID), ServiceID: m.worker.ServiceID, Address: m.worker.Address, State: m.state,
		Since: m.since.UTC(), LastScrape: timeOrNil(m.lastTry), ScrapeSeconds: m.took.Seconds(), Bytes: m.bytes,
		Samples: m.samples, Error: m.err,
	}
}

func timeOrNil(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}

// count adds the instance to the federator's own gauges, and tells whether the ledger lacks what it shows.
func (in *Instance) count(instances map[string]int, workers, conflicts map[[2]string]int) (degraded bool) {
	in.mu.Lock()
	defer in.mu.Unlock()
	instances[in.job.Name]++
	for _, m := range in.members {
		workers[[2]string{in.job.Name, m.state}]++
	}
	for kind, n := range in.conflictCounts() {
		conflicts[[2]string{in.job.Name, kind}] += n
	}
	return in.degraded != nil
}
