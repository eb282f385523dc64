package federator

import (
	"strings"
	"time"
)

// A worker that said goodbye may live on: its process handed in its last page and was kept from ending. While it is
// still registered its part is kept apart, and after scrape_timeout it is asked once a round: where it answers higher
// than its last page it is present again. Once its registration is gone it is folded.

// waits tells whether the worker said goodbye and is still registered.
func (m *member) waits() bool { return !m.goodbye.IsZero() }

// mayLive tells whether a goodbye may turn out not to be one.
func (m *member) mayLive() bool {
	return m.registered && !strings.HasPrefix(m.worker.Key, finalKeyPrefix)
}

// foldGone folds those whose registration went after their goodbye.
func (in *Instance) foldGone(now time.Time) {
	for key, m := range in.departed {
		if m.waits() && !m.registered && in.fold.Return(m.inc) {
			delete(in.departed, key)
			in.departFold(m.inc, now, true)
		}
	}
}

// askGone asks those that said goodbye longer than scrape_timeout ago: a slower scrape from before it has ended.
func (in *Instance) askGone(now time.Time) {
	for _, m := range in.departed {
		if m.waits() && m.registered && m.fetch == nil && now.Sub(m.goodbye) > in.job.ScrapeTimeout {
			in.startFetch(m)
			m.fetch.gone = true
		}
	}
}

// finishGone takes the answer of one that said goodbye.
func (in *Instance) finishGone(m *member, g *ingest, err error) {
	if err != nil || g.samples == 0 || in.fold.Stale(g.stage) || g.workerID != "" && g.workerID != m.worker.ServiceID {
		return
	}
	start := g.startTime()
	if start > 0 && m.start > 0 && !sameStart(start, m.start) || !in.fold.Rose(g.stage) || !in.fold.Return(m.inc) {
		return
	}
	delete(in.departed, m.worker.Key)
	in.folded.forget(m.worker.Key)
	m.goodbye, m.failures = time.Time{}, 0
	m.state, m.since = stateNew, time.Now()
	in.members[m.worker.Key] = m
	in.nameWorkers()
	in.logger.Warn("Worker said goodbye but lives on: it counts again", "worker_id", m.name, "address", m.worker.Address)
}
