package federator

import (
	"time"

	"github.com/fedscrape/fedscrape/exposition"
	"github.com/fedscrape/fedscrape/merge"
)

// depart moves a present worker's part to the ledger, exactly once.
func (in *Instance) depart(m *member, reason string, now time.Time) {
	if in.members[m.worker.Key] != m {
		return
	}
	delete(in.members, m.worker.Key)
	if m.predecessor != nil {
		m.predecessor.superseded = false // it is asked again
	}
	certain := reason == reasonGoodbye || reason == reasonReplaced
	apart := !certain
	if reason == reasonGoodbye && m.mayLive() {
		m.goodbye, apart = now, true
	}
	if certain {
		id := identity{
			Start: m.start, At: now, Goodbye: reason == reasonGoodbye,
			ServiceID: m.worker.ServiceID, CreateIndex: m.worker.CreateIndex,
		}
		if reason == reasonReplaced {
			id.Replaced = m.worker.Address
		}
		in.folded.remember(m.worker.Key, id)
	}
	if apart {
		in.departed[m.worker.Key] = m
	}
	in.departFold(m.inc, now, !apart)
	if !m.paged {
		m.paged = true
		in.unpaged++
	}
	if len(in.members) == 0 {
		in.idle = now
	}
	in.countDeparture(reason)
	in.logger.Info("Worker departed", "worker_id", m.name, "service_id", m.worker.ServiceID, "address", m.worker.Address, "reason", reason)
	in.named = false
}

func (in *Instance) countDeparture(reason string) {
	in.counts.departed[reason]++
	in.noteParted(time.Now())
	if reason != reasonGoodbye {
		in.counts.lost++
	}
	in.federator.metrics.departed.WithLabelValues(in.job.Name, reason).Inc()
}

// settle folds what has been apart for long enough, and forgets identities that are old.
func (in *Instance) settle(now time.Time) {
	in.name()
	in.foldGone(now)
	in.fold.FoldExpired(now)
	for key, m := range in.departed {
		if !in.fold.Keeps(m.inc) {
			in.hasFolded(key, m, now)
		}
	}
	in.folded.expire(now, in.job.Merge.InstanceRetention)
	in.compact(now)
	in.logConflicts()
	if refused := in.fold.Refused(); refused > 0 && in.refused == 0 {
		in.logger.Warn("Instance is at series_limit: new series are left out; raise it, or drop labels by metric_relabel_configs",
			"series_limit", in.job.Merge.SeriesLimit)
		in.refused = refused
	}
}

// departFold has an incarnation depart, and remembers who is not kept apart any more for that: it may come back before a page.
func (in *Instance) departFold(inc *merge.Incarnation, now time.Time, certain bool) {
	for _, surplus := range in.fold.Depart(inc, now, certain) {
		in.rememberFolded(surplus, now)
	}
}

// rememberFolded remembers whom the fold does not keep apart any more.
func (in *Instance) rememberFolded(inc *merge.Incarnation, now time.Time) {
	if m := in.departed[inc.Key]; m != nil && m.inc == inc {
		in.hasFolded(inc.Key, m, now)
		return
	}
	for key, m := range in.departed { // it has taken another ID since
		if m.inc == inc {
			in.hasFolded(key, m, now)
		}
	}
}

// hasFolded remembers a departed worker that may not return.
func (in *Instance) hasFolded(key string, m *member, now time.Time) {
	delete(in.departed, key)
	if m.waits() || in.fold.Silent(m.inc) {
		return // its goodbye is remembered; of who never gave a page nothing counts twice
	}
	in.folded.remember(key, identity{Start: m.start, At: now, ServiceID: m.worker.ServiceID})
}

// compact lets go, once in a while, of lines that nobody has any more.
func (in *Instance) compact(now time.Time) {
	if now.Sub(in.compacted) < compactInterval {
		return
	}
	in.compacted = now
	if in.fold.Compact(now) {
		in.table = exposition.NewTable(maxLines)
	}
}

// compactInterval is how often lines are looked through.
const compactInterval = time.Minute

// logConflicts says once what workers disagree on.
func (in *Instance) logConflicts() {
	seen := map[conflictKey]bool{}
	for _, c := range in.fold.Conflicts() {
		k := conflictKey{c.Kind, c.Metric, c.WorkerID}
		seen[k] = true
		if !in.conflict[k] && len(seen) <= maxConflicts {
			in.logger.Warn("Workers disagree", "kind", c.Kind, "metric", c.Metric, "worker_id", c.WorkerID, "detail", c.Detail)
		}
	}
	in.conflict = seen
}

// conflictKey is what a conflict is about; maxConflicts bounds what the log says of one instance.
type conflictKey struct{ kind, metric, workerID string }

const maxConflicts = 100
