package federator

import (
	"slices"
	"time"

	"github.com/fedscrape/fedscrape/discovery"
)

// A worker that relabeling, or a new registration under its ID, hands from one instance to another has been counted in
// the first. There what it counted is folded; to the second goes its identity, as of one that was folded there, so that
// its first page is its base and only what it gains from then on counts. Both outlive a restart: where only one of
// them was kept, the move is seen again.
//
// A worker that two jobs find is no move: both list it.

// stranger is a worker that is listed for an instance which has not counted it, and what others know of it.
type stranger struct {
	identity
	found, present bool
}

// take keeps what is known by the instance that had the worker last.
func (s *stranger) take(id identity, present bool) {
	if s.present && !present || s.present == present && !id.At.After(s.At) {
		return
	}
	s.identity, s.found, s.present = id, true, present
}

// move finds the workers that are listed for another instance than before, and gives the instances that they left.
func (f *Federator) move(d *distribution) (left []*Instance) {
	strangers := map[string]*stranger{}
	for k, list := range d.lists {
		f.known(k).addStrangers(list, strangers)
	}
	stayed := map[string][]*Instance{}
	for _, all := range []map[instanceKey]*Instance{f.instances, f.orphans} {
		for k, in := range all {
			sure := f.sure(in, d)
			if in.handOver(strangers, d.lists[k], sure, d.now) {
				left = append(left, in)
			}
			if sure {
				in.addUnconfirmed(d.lists[k], stayed)
			}
		}
	}
	for k, list := range d.lists {
		if in := f.known(k); in != nil || slices.ContainsFunc(list, func(w discovery.Worker) bool { return strangers[w.Key].isFound() }) {
			f.instance(k, d.owner[k], d.now).inherit(list, strangers, d.now)
		}
	}
	return append(left, f.leaveStayed(stayed, d)...)
}

func (s *stranger) isFound() bool { return s != nil && s.found }

// known gives an instance; nil where it is a new one.
func (f *Federator) known(k instanceKey) *Instance {
	if in := f.instances[k]; in != nil {
		return in
	}
	return f.orphans[k]
}

// sure tells whether an instance's list is whole.
func (f *Federator) sure(in *Instance, d *distribution) bool {
	job := d.owner[in.key]
	if job == nil {
		job = f.job(in.jobName())
	}
	return job == nil || !d.unsure[job]
}

// addStrangers adds those of a list that the instance has not counted.
func (in *Instance) addStrangers(list []discovery.Worker, strangers map[string]*stranger) {
	if in != nil {
		in.mu.Lock()
		defer in.mu.Unlock()
	}
	for i := range list {
		key := list[i].Key
		if in == nil {
			strangers[key] = &stranger{}
		} else if in.strange(key) {
			strangers[key] = &stranger{identity: in.folded.byKey[key]}
		}
	}
}

// strange tells whether the instance has not counted a worker, or not since another instance had it.
func (in *Instance) strange(key string) bool {
	if m := in.members[key]; m != nil {
		return in.fold.Silent(m.inc)
	}
	id, folded := in.folded.byKey[key]
	return in.departed[key] == nil && (!folded || id.Moved)
}

// handOver says what the instance knows of strangers that are not listed for it, and folds those that it counted. It
// tells whether there were some. Where its list is not whole yet, they stay.
func (in *Instance) handOver(strangers map[string]*stranger, list []discovery.Worker, sure bool, now time.Time) (left bool) {
	in.mu.Lock()
	defer in.mu.Unlock()
	for _, key := range in.common(strangers) {
		if listed(list, key) {
			continue
		}
		id, counted, present := in.counted(key, now)
		if counted {
			id.From = in.key.prefix()
			strangers[key].take(id, present)
		}
		if sure {
			left = in.leave(key, now) || left
		}
	}
	return left
}

func listed(list []discovery.Worker, key string) bool {
	return slices.ContainsFunc(list, func(w discovery.Worker) bool { return w.Key == key })
}

// common gives the keys of the strangers that the instance may know, some of them twice.
func (in *Instance) common(strangers map[string]*stranger) (keys []string) {
	add := func(key string) {
		if strangers[key] != nil {
			keys = append(keys, key)
		}
	}
	if len(strangers) < len(in.members)+len(in.departed)+len(in.folded.byKey) {
		for key := range strangers {
			keys = append(keys, key)
		}
		return keys
	}
	for key := range in.members {
		add(key)
	}
	for key := range in.departed {
		add(key)
	}
	for key := range in.folded.byKey {
		add(key)
	}
	return keys
}

// counted gives the identity of a worker that the instance has counted. An address alone does not tell who lives
// there once it is not present any more.
func (in *Instance) counted(key string, now time.Time) (id identity, counted, present bool) {
	m := in.members[key]
	if present = m != nil; !present {
		m = in.departed[key]
	}
	if m != nil && !m.waits() && !in.fold.Silent(m.inc) {
		id, counted = identity{Start: m.start, At: now, ServiceID: m.worker.ServiceID}, true
	} else {
		id, counted = in.folded.byKey[key]
	}
	return id, counted && (present || id.ServiceID != "" || id.Start > 0), present
}

// leave folds a worker that another instance has now, and tells whether there is something to be written of it. One
// that was folded before has moved as well: if it comes back, what became of it is known there.
func (in *Instance) leave(key string, now time.Time) bool {
	id, counted, present := in.counted(key, now)
	if present {
		in.depart(in.members[key], reasonVanished, now)
	}
	m := in.departed[key]
	if m == nil && (!counted || id.Moved) {
		return false
	}
	if counted {
		id.At, id.Moved = now, true
		in.folded.remember(key, id)
	}
	if m == nil {
		return true
	}
	delete(in.departed, key)
	in.fold.Return(m.inc)
	in.departFold(m.inc, now, true)
	in.logger.Info("Worker has moved to another instance: what it counted stays in this one", "worker_id", m.name, "service_id", m.worker.ServiceID)
	return true
}

// inherit takes what other instances know of those that are new here.
func (in *Instance) inherit(list []discovery.Worker, strangers map[string]*stranger, now time.Time) {
	in.mu.Lock()
	defer in.mu.Unlock()
	for i := range list {
		key := list[i].Key
		s := strangers[key]
		if !s.isFound() || !in.strange(key) {
			continue
		}
		id := s.identity
		id.At, id.Moved = now, false
		if m := in.members[key]; m != nil {
			in.fold.SetBase(m.inc, true)
			m.folded = id
		}
		in.folded.remember(key, id)
	}
}

// addUnconfirmed adds the members that only the ledger has shown here. One that a move had taken away when the
// federator was killed may be listed for the instance that has it since.
func (in *Instance) addUnconfirmed(list []discovery.Worker, stayed map[string][]*Instance) {
	in.mu.Lock()
	defer in.mu.Unlock()
	for key, m := range in.members {
		if !m.listed && !listed(list, key) {
			stayed[key] = append(stayed[key], in)
		}
	}
}

// leaveStayed ends the moves that a kill has cut in two.
func (f *Federator) leaveStayed(stayed map[string][]*Instance, d *distribution) (left []*Instance) {
	if len(stayed) == 0 {
		return nil
	}
	for k, list := range d.lists {
		for i := range list {
			key := list[i].Key
			for _, in := range stayed[key] {
				if f.known(k).cameFrom(key, in.key) && in.leaveNow(key, d.now) {
					left = append(left, in)
				}
			}
		}
	}
	return left
}

// cameFrom tells whether a worker was taken over from another instance.
func (in *Instance) cameFrom(key string, other instanceKey) bool {
	if in == nil {
		return false
	}
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.folded.byKey[key].From == other.prefix()
}

func (in *Instance) leaveNow(key string, now time.Time) bool {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.leave(key, now)
}
