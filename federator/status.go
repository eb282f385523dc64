package federator

import "time"

// status gives the instance as the API shows it.
func (in *Instance) status() InstanceStatus {
	in.mu.Lock()
	defer in.mu.Unlock()
	s := InstanceStatus{
		Job: in.key.job, Instance: in.key.instance, Series: in.fold.Series(), Departed: in.fold.Kept(),
		LastRound: timeOrNil(in.last), LastRoundSeconds: in.took.Seconds(), Workers: []WorkerStatus{},
	}
	for _, m := range in.byName() {
		s.Workers = append(s.Workers, WorkerStatus{
			WorkerID: m.name, ServiceID: m.worker.ServiceID, Address: m.worker.Address, State: m.state,
			Since: m.since.UTC(), LastScrape: timeOrNil(m.lastTry), ScrapeSeconds: m.took.Seconds(), Bytes: m.bytes,
			Samples: m.samples, Error: m.err,
		})
	}
	return s
}

func timeOrNil(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}

// count adds the instance to the federator's own gauges.
func (in *Instance) count(instances map[string]int, workers, conflicts map[[2]string]int) {
	in.mu.Lock()
	defer in.mu.Unlock()
	instances[in.job.Name]++
	for _, m := range in.members {
		workers[[2]string{in.job.Name, m.state}]++
	}
	for kind, n := range in.conflictCounts() {
		conflicts[[2]string{in.job.Name, kind}] += n
	}
}
