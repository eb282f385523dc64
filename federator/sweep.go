package federator

import (
	"context"
	"hash/fnv"
	"maps"
	"slices"
	"time"

	"github.com/fedscrape/fedscrape/ledger"
)

// firstDelay is how long after an instance's first worker its first round begins, if nobody asks sooner: more may come, and listen.
const firstDelay = 100 * time.Millisecond

// maxSweeps is how many rounds that nobody asked for run at once.
const maxSweeps = 8

// Run runs rounds that nobody asked for, so that a worker that dies takes little with it, and asks who has come or gone, until the
// context ends.
func (f *Federator) Run(ctx context.Context) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	f.meetings.start()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-f.meetings.wake:
			f.spawn(f.meet)
		case <-timer.C:
		}
		timer.Reset(f.sweep(time.Now()))
	}
}

// sweep starts the rounds that are due, and says when to look again.
func (f *Federator) sweep(now time.Time) time.Duration {
	next, under, saves := time.Second, 0, 0
	f.forgetOrphans(now)
	f.saveClock(now)
	list := f.all()
	for _, in := range list {
		if in.sweeping() {
			under++
		}
	}
	for _, in := range list {
		if in.over(now) {
			f.forget(in, now)
			continue
		}
		if saves < maxSweeps && in.saveDue(now) {
			saves++
			in.saveBeside(&keeping{})
		}
		if wait := in.saveParted(now); wait > 0 {
			next = min(next, wait)
		}
		wait := in.sweepDue(now)
		if wait > 0 {
			next = min(next, wait)
			continue
		}
		if under++; under > maxSweeps {
			return 10 * time.Millisecond
		}
		in.sweep()
	}
	return max(next, 10*time.Millisecond)
}

// forgetOrphans forgets instances whose job was taken out of the configuration too long ago.
func (f *Federator) forgetOrphans(now time.Time) {
	f.mu.Lock()
	list := slices.Collect(maps.Values(f.orphans))
	f.mu.Unlock()
	for _, in := range list {
		if in.over(now) {
			f.forget(in, now)
		}
	}
}

// over tells whether the instance has had no present worker for instance_retention.
func (in *Instance) over(now time.Time) bool {
	in.mu.Lock()
	defer in.mu.Unlock()
	return len(in.members) == 0 && in.round == nil && now.Sub(in.idle) > in.job.Merge.InstanceRetention
}

// forget drops an instance that is over, with its part of the ledger.
func (f *Federator) forget(in *Instance, now time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.instances[in.key] != in && f.orphans[in.key] != in || !in.over(now) {
		return
	}
	delete(f.instances, in.key)
	delete(f.orphans, in.key)
	in.drop()
	in.logger.Info("Instance is forgotten: it had no worker for instance_retention", "instance_retention", in.retention())
	if err := f.dropRecords(in.key); err != nil {
		f.metrics.ledgerErrors.WithLabelValues("forget").Inc()
		in.logger.Error("Ledger has an error: it keeps an instance that is forgotten", "err", err)
	}
}

// dropRecords takes all that there is of an instance out of the ledger. The page goes first: records without
// one are what departed, and an old page with new records would be who came since.
func (f *Federator) dropRecords(k instanceKey) error {
	if err := f.ledger.ForgetPage(k.prefix()); err != nil {
		return err
	}
	var batch ledger.Batch
	if err := f.ledger.Load(k.prefix(), func(key string, _ []byte) error {
		batch.Delete(key)
		return nil
	}); err != nil {
		return err
	}
	return f.ledger.Append(&batch)
}

// sweepDue tells how long nobody may still ask before a sweep: 1.5 intervals after the last round, for each instance
// a little earlier or later, so that a thousand instances are not swept at once.
func (in *Instance) sweepDue(now time.Time) time.Duration {
	in.mu.Lock()
	defer in.mu.Unlock()
	interval := in.job.SweepInterval
	if interval <= 0 || in.round != nil || len(in.members) == 0 {
		return time.Second
	}
	h := fnv.New32a()
	h.Write([]byte(in.key.job + "\x00" + in.key.instance))
	after := interval + interval/2 - interval/10*time.Duration(h.Sum32()%100)/100
	if in.last.IsZero() {
		return in.idle.Add(firstDelay).Sub(now)
	}
	return in.last.Add(after).Sub(now)
}

// sweeping tells whether a round that nobody asked for is under way.
func (in *Instance) sweeping() bool {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.round != nil && in.round.trigger == triggerSweep
}

func (in *Instance) sweep() {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.startRound(in.federator.ctx, triggerSweep)
}

// spawn runs a function beside, which Close waits for; false where the federator closes.
func (f *Federator) spawn(run func()) bool {
	f.gate.Lock()
	defer f.gate.Unlock()
	if f.ctx.Err() != nil {
		return false
	}
	f.crew.run(run)
	return true
}
