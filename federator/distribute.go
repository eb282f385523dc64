package federator

import (
	"time"

	"github.com/fedscrape/fedscrape/discovery"
)

// distribution is who is registered where, as all discoveries say it together.
type distribution struct {
	now          time.Time
	reconfigured string // the job whose discovery or relabeling changed; empty where none did
	lists        map[instanceKey][]discovery.Worker
	owner        map[instanceKey]*Job
	unsure       map[*Job]bool // those whose discovery has not answered yet
}

// takesAway tells whether workers that are missing in an instance's new list were taken away by configuration: by that
// of its job, or because it is another job's now.
func (d *distribution) takesAway(in *Instance, owner *Job) bool {
	was := in.jobName()
	return d.reconfigured != "" && (d.reconfigured == owner.Name || d.reconfigured == was) || was != owner.Name
}

// distribute tells each instance which workers are registered for it. reconfigured is the job whose discovery or
// relabeling changed, if one did.
func (f *Federator) distribute(now time.Time, reconfigured string) {
	d := f.gatherLists(now, reconfigured)
	left := f.move(d)
	for k, list := range d.lists {
		owner := d.owner[k]
		in := f.instance(k, owner, now)
		in.setWorkers(owner, list, !d.unsure[owner], d.takesAway(in, owner), now)
	}
	for k, in := range f.instances {
		if d.lists[k] == nil {
			f.empty(k, in, d)
		}
	}
	for _, in := range left { // no page of theirs waits for it
		in.saveBeside(&keeping{})
	}
	for job, unsure := range d.unsure {
		f.settled[job.Name] = f.settled[job.Name] || !unsure
	}
}

// gatherLists puts the lists of all jobs together. Of two jobs that yield one (job, instance) the first in the
// configuration decides.
func (f *Federator) gatherLists(now time.Time, reconfigured string) *distribution {
	d := &distribution{
		now: now, reconfigured: reconfigured,
		lists: map[instanceKey][]discovery.Worker{}, owner: map[instanceKey]*Job{}, unsure: map[*Job]bool{},
	}
	for _, j := range f.jobs {
		u := f.updates[j.Name]
		d.unsure[j] = !u.answered
		for _, w := range u.workers {
			k := instanceKey{w.Job, w.Instance}
			if d.owner[k] == nil {
				d.owner[k] = j
			}
			if d.owner[k] == j {
				d.lists[k] = append(d.lists[k], w)
			}
		}
	}
	return d
}

// instance gives a known instance, one that waited for its job to come back, or a new one.
func (f *Federator) instance(k instanceKey, job *Job, now time.Time) *Instance {
	in := f.instances[k]
	if in == nil {
		if in = f.orphans[k]; in == nil {
			in = newInstance(f, k, job, now)
		}
		in.reopen()
		delete(f.orphans, k)
		f.instances[k] = in
	}
	return in
}

// adoptOrphans makes the instances of jobs that are configured again known. The ledger may name jobs that are not.
func (f *Federator) adoptOrphans(now time.Time) {
	for k, in := range f.orphans {
		name := in.jobName()
		if f.job(name) == nil || f.instances[k] != nil {
			if in.close(now) { // the ledger had them present
				in.saveBeside(&keeping{})
			}
			f.metrics.forget(name)
			continue
		}
		f.instance(k, f.job(name), now)
	}
}

// empty tells an instance that nobody is registered for it.
func (f *Federator) empty(k instanceKey, in *Instance, d *distribution) {
	job := f.job(in.jobName())
	if job == nil {
		if in.close(d.now); in.unsaved() { // no page will tell the ledger who has left, be it now or since the last one
			in.saveBeside(&keeping{})
		}
		delete(f.instances, k)
		f.orphans[k] = in
		in.warnOrphan()
		return
	}
	in.setWorkers(job, nil, !d.unsure[job], d.takesAway(in, job), d.now)
}

func (in *Instance) warnOrphan() {
	in.logger.Warn("Job is no longer configured: its instance is not served, and forgotten after instance_retention unless the job comes back",
		"instance_retention", in.retention())
}
