package federator

import (
	"cmp"
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/fedscrape/fedscrape/discovery"
	"github.com/fedscrape/fedscrape/exposition"
	"github.com/fedscrape/fedscrape/merge"
)

// maxLines bounds an instance's table of known lines.
const maxLines = 4_000_000

// Instance is what its workers make up. It is safe for concurrent use.
type Instance struct {
	federator *Federator
	key       instanceKey
	logger    *slog.Logger

	mu      sync.Mutex
	job     *Job
	fold    *merge.Fold
	table   *exposition.Table
	members map[string]*member // present ones, by key
	order   []*member          // that sorted gave last
	// departed are kept apart by the fold and may return; folded are the identities of those that may not.
	departed map[string]*member
	folded   *identities
	round    *round
	page     *Page
	ownPage  ownPage
	pageErr  error
	last     time.Time // when the last round ended
	took     time.Duration
	refused  int       // series over series_limit, when the log said so
	idle     time.Time // since when there is no present worker
	counts   counts
	paged    pagedCounts          // as the last page had them
	based    bool                 // a life has begun with a base that no page has yet
	conflict map[conflictKey]bool // as of the last round
	parted   time.Time            // since when the ledger does not know of somebody who departed; zero: it knows
	unpaged  int                  // who departed before a page had them, since the last one
	dropped  bool                 // the ledger is to have nothing of it
	named    bool                 // the present workers have the names they should have
	closed   bool                 // its job is gone, and the job's metrics with it

	compacted time.Time // when lines that nobody has were let go

	// open: the workers are known, be it that discovery has answered or that the ledger named them.
	open bool

	writing       chan struct{} // holds one token while the ledger is written
	headBuffer    []byte        // of who has the token: a page's head
	headText      []byte        // its beginning
	said          []*merge.Said // what workers say, of writes that have ended
	saved         time.Time     // when the records were last; zero: never
	saveBegun     time.Time
	savedDeparted map[string]json.RawMessage // the departed workers' records in the ledger, by key
	degraded      error                      // why the ledger does not have what the last page shows
}

// counts are the instance's own counters.
type counts struct {
	pagedCounts
	lost     int
	departed map[string]int
}

// pagedCounts are what present workers add to: after a kill they do so again from the last page on.
type pagedCounts struct{ started, resets int }

// departure reasons, as in fedscrape_workers_departed_total.
const (
	reasonGoodbye  = "goodbye"
	reasonVanished = "vanished"
	reasonReplaced = "replaced"
	reasonExpired  = "expired"
)

var reasons = []string{reasonExpired, reasonGoodbye, reasonReplaced, reasonVanished}

func newInstance(f *Federator, k instanceKey, job *Job, now time.Time) *Instance {
	return &Instance{
		federator: f, key: k, logger: f.logger.With("job", k.job, "instance", k.instance),
		job: job, fold: merge.New(job.Merge), table: exposition.NewTable(maxLines), members: map[string]*member{},
		departed: map[string]*member{}, folded: newIdentities(&f.clock), idle: now,
		compacted: now, writing: make(chan struct{}, 1), savedDeparted: map[string]json.RawMessage{},
		counts: counts{departed: map[string]int{}}, conflict: map[conflictKey]bool{},
	}
}

func (in *Instance) jobName() string {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.job.Name
}

func (in *Instance) workerLabel() string {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.job.Merge.WorkerLabel
}

func (in *Instance) retention() time.Duration {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.job.Merge.InstanceRetention
}

// isOpen tells whether the instance's workers are known, so that it can be served.
func (in *Instance) isOpen() bool {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.open
}

// setWorkers takes the list of those that are registered. sure says that the list is whole; reconfigured, that who
// is missing was removed by configuration and not by its own end.
func (in *Instance) setWorkers(job *Job, list []discovery.Worker, sure, reconfigured bool, now time.Time) {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.setJob(job)
	in.open = in.open || sure
	registered := make(map[string]bool, len(list))
	for i := range list {
		registered[list[i].Key] = true
	}
	in.addWorkers(list, registered, now)
	for key, m := range in.members {
		was := m.registered
		m.registered = registered[key] || was && !sure
		m.listed = m.listed || registered[key]
		if !m.registered && sure && !m.handsIn && (reconfigured || !m.identified()) {
			in.depart(m, reasonVanished, now)
		} else if was && !m.registered {
			in.changed(m, now)
		}
	}
	for key, m := range in.departed {
		m.registered = registered[key] || m.registered && !sure
	}
	in.nameWorkers()
}

func (in *Instance) setJob(job *Job) {
	if in.job == job {
		return
	}
	if !in.job.Metric.Same(job.Metric) {
		in.fold.Relabeled()
	}
	in.job = job
	in.fold.SetOptions(job.Merge)
	// Lines are relabeled when they are first seen: with other rules they are to be seen anew.
	in.table = exposition.NewTable(maxLines)
}

// addWorkers makes those that are not known present, the newest registration of an address last. Who is not registered any more
// and was seen alive comes before them: it may be the process that has a new registration.
func (in *Instance) addWorkers(list []discovery.Worker, registered map[string]bool, now time.Time) {
	list = slices.Clone(list)
	slices.SortStableFunc(list, func(a, b discovery.Worker) int { return cmp.Or(a.Compare(&b), cmp.Compare(a.Key, b.Key)) })
	owners := addresses{}
	for _, m := range in.sorted() {
		if m.predecessor, m.superseded = nil, false; !registered[m.worker.Key] && m.start > 0 {
			owners.own(m)
		}
	}
	for i := range list {
		if m := in.member(&list[i], now); m != nil {
			owners.own(m)
		}
	}
}

// addresses are who has each, by node and URL.
type addresses map[string]*member

// own gives a member its address. Where a newer one has lost its registration, and what is left is that of an older one, both are
// asked.
func (a addresses) own(m *member) {
	endpoint := m.worker.Node + "\x00" + m.worker.URL()
	if old := a[endpoint]; old != nil && old != m && old.worker.Compare(&m.worker) <= 0 {
		m.predecessor, old.superseded = old, true
	}
	a[endpoint] = m
}

// member gives the present member of a registration, known, returned or new; nil where it said goodbye.
func (in *Instance) member(w *discovery.Worker, now time.Time) *member {
	if m := in.members[w.Key]; m != nil {
		m.worker = *w
		return m
	}
	old := in.departed[w.Key]
	if old != nil && !old.waits() && in.fold.Return(old.inc) {
		delete(in.departed, w.Key)
		old.worker, old.failures = *w, 0
		old.state, old.since = stateNew, now
		in.members[w.Key] = old
		in.changed(old, now)
		in.logger.Info("Worker is back", "worker_id", w.WorkerID, "address", w.Address)
		return old
	}
	id, folded := in.folded.byKey[w.Key]
	if folded && id.gone(w) {
		return nil // its registration is what is left of it
	}
	if old != nil {
		old.registered = false // it said goodbye, and this is another life under the same ID
		in.foldGone(now)
	}
	if !folded && in.mayBeFromBeforeLoss(w) {
		id, folded = identity{At: now, ServiceID: w.ServiceID, Lost: true}, true
		in.folded.remember(w.Key, id)
	}
	m := in.join(w, folded, now)
	m.folded = id
	return m
}

// join makes a worker present that was not known.
func (in *Instance) join(w *discovery.Worker, base bool, now time.Time) *member {
	born := now
	if !w.StartTime.IsZero() {
		born = w.StartTime
	}
	m := &member{worker: *w, state: stateNew, since: now, registered: true}
	m.inc = in.fold.Add(merge.Spec{Key: w.Key, WorkerID: w.WorkerID, Born: born, Base: base})
	in.members[w.Key] = m
	in.changed(m, now)
	in.counts.started++
	return m
}

// name names the workers anew where some departed: once, however many did.
func (in *Instance) name() {
	if !in.named {
		in.nameWorkers()
	}
}

// nameWorkers tells apart present workers with one worker ID: the later becomes <id>~2, and so on.
func (in *Instance) nameWorkers() {
	in.named = true
	list := in.sorted()
	seen := map[string]int{}
	for _, m := range list {
		id := m.worker.WorkerID
		if seen[id]++; seen[id] > 1 {
			id = fmt.Sprintf("%s~%d", id, seen[id])
		}
		m.shared = seen[m.worker.WorkerID] > 1
		m.name = id
		in.fold.Rename(m.inc, id)
	}
}

// close ends an instance whose job is gone, and tells whether somebody left it.
func (in *Instance) close(now time.Time) (left bool) {
	in.mu.Lock()
	defer in.mu.Unlock()
	left = len(in.members) > 0
	for _, m := range in.members {
		in.depart(m, reasonVanished, now)
	}
	in.closed = true
	return left
}

// reopen takes an instance back whose job is there again.
func (in *Instance) reopen() {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.closed = false
}

func (in *Instance) appendWorkers(list []discovery.Worker) []discovery.Worker {
	in.mu.Lock()
	defer in.mu.Unlock()
	for _, m := range in.byName() {
		if m.superseded {
			continue // its address is in the list once
		}
		w := m.worker
		w.WorkerID = m.name
		list = append(list, w)
	}
	return list
}
