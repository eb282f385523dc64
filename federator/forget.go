package federator

import "time"

// Forget lets go of an instance's ledger on purpose: its counters go on from 0, with what present workers say now as
// their base. An instance without workers goes. The error is an *UnknownInstanceError or a *NotReadyError.
func (f *Federator) Forget(job, instance string) error {
	if _, err := f.find(job, instance); err != nil {
		return err
	}
	in, err := f.forgetLedger(instanceKey{job, instance})
	if err == nil && in != nil {
		in.keepNow(true)
	}
	return err
}

// forgetLedger gives the instance, nil where nothing is left of it.
func (f *Federator) forgetLedger(k instanceKey) (*Instance, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	in := f.instances[k]
	if in == nil || !in.forget(time.Now()) {
		return in, nil
	}
	delete(f.instances, k)
	in.drop()
	return nil, f.dropRecords(k)
}

// drop has nothing more of an instance be saved that is not known any more.
func (in *Instance) drop() {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.dropped = true
}

// forget tells whether nothing is left of the instance. A worker that is only cut off is known on: when it comes
// back, what it says first is its base as well.
func (in *Instance) forget(now time.Time) (empty bool) {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.fold.Forget(now)
	in.page, in.pageErr = nil, nil
	if len(in.members) == 0 {
		in.folded.expire(now, 0)
		return true
	}
	for key, m := range in.departed {
		delete(in.departed, key)
		in.folded.remember(key, identity{Start: m.start, At: now, ServiceID: m.worker.ServiceID})
	}
	return false
}
