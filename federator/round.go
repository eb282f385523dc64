package federator

import (
	"context"
	"errors"
	"runtime"
	"syscall"
	"time"

	"github.com/fedscrape/fedscrape/scraper"
)

// slowGrace is how long a worker that ran out of time last round is waited for after the others have answered: a
// worker that hangs for days must not make every scrape last the whole timeout.
const slowGrace = 250 * time.Millisecond

// What begins a round, as in fedscrape_rounds_total.
const (
	triggerRequest = "request"
	triggerSweep   = "sweep"
)

// round is one concurrent scrape of all present workers. Requests that overlap share it.
type round struct {
	trigger string
	done    chan struct{} // closed when page and err are set
	page    *Page
	err     error
	begun   time.Time
	// deadline is the latest of those who wait, scrape_timeout at most: who can wait longer is not answered early
	// because another cannot.
	deadline time.Time
}

// fetch is one request to one worker. It outlives its round where the worker is slow.
type fetch struct {
	done    chan struct{}
	counted bool // as a failure, by a round that it outlived
	gone    bool // asks one that said goodbye whether it lives
}

// Gather gives the merged page of the round in flight or of a new one. Where ctx ends before the round, the page has
// what has arrived by then; the round goes on for others.
func (in *Instance) Gather(ctx context.Context) (*Page, error) {
	in.mu.Lock()
	if in.round == nil && in.job.MaxAge > 0 && in.page != nil && time.Since(in.last) < in.job.MaxAge {
		defer in.mu.Unlock()
		return in.page, in.pageErr
	}
	r := in.startRound(ctx, triggerRequest)
	in.mu.Unlock()
	if r == nil {
		return nil, errClosed
	}
	select {
	case <-r.done:
		return r.page, r.err
	case <-ctx.Done():
		return in.early(r)
	}
}

// early makes a page for a caller who cannot wait for the round.
func (in *Instance) early(r *round) (*Page, error) {
	keeps := in.turn()
	in.mu.Lock()
	if in.round != r || in.federator.ctx.Err() != nil {
		defer in.mu.Unlock()
		if keeps {
			<-in.writing
		}
		if in.round != r {
			return r.page, r.err
		}
		return nil, errClosed
	}
	page, err := in.show(keeps)
	return page, err
}

// show makes the page as of now, and returns when the ledger has what it shows. It takes the instance's lock locked,
// and gives it back unlocked.
func (in *Instance) show(keeps bool) (*Page, error) {
	now := time.Now()
	in.giveUp()
	in.settle(now)
	page, err := in.render(now, keeps)
	if keeps {
		k := in.collect(true, now)
		in.mu.Unlock()
		in.keep(k)
		in.mu.Lock()
	}
	defer in.mu.Unlock()
	if page != nil && in.degraded != nil { // known only now
		page.Families = withDegraded(page.Families)
	}
	return page, err
}

// giveUp counts those who have not answered yet as failed for the page that is made now.
func (in *Instance) giveUp() {
	for _, m := range in.sorted() {
		if m.fetch != nil && !m.superseded {
			m.slow = true
			in.fail(m, errNoAnswer)
		}
	}
}

// startRound joins the round in flight or starts one; nil where the federator closes.
func (in *Instance) startRound(ctx context.Context, trigger string) *round {
	f := in.federator
	if in.round == nil {
		r := &round{trigger: trigger, done: make(chan struct{}), begun: time.Now()}
		r.extend(ctx, in.job.ScrapeTimeout)
		if f.spawn(func() { in.run(r) }) {
			in.round = r
		}
	} else {
		in.round.extend(ctx, in.job.ScrapeTimeout)
	}
	return in.round
}

// extend lets the round last as long as one more caller can wait.
func (r *round) extend(ctx context.Context, scrapeTimeout time.Duration) {
	deadline := r.begun.Add(scrapeTimeout)
	if d, ok := ctx.Deadline(); ok && d.Before(deadline) {
		deadline = d
	}
	if deadline.After(r.deadline) {
		r.deadline = deadline
	}
}

// run is the life of a round.
func (in *Instance) run(r *round) {
	ctx, cancel := context.WithCancel(in.federator.ctx)
	defer cancel()
	in.federator.group.Go(func() { in.cancelLate(ctx, cancel, r) })
	in.mu.Lock()
	quick, slow := in.startFetches()
	in.mu.Unlock()
	await(ctx, quick)
	if len(slow) > 0 {
		grace, cancel := context.WithTimeout(ctx, slowGrace)
		await(grace, slow)
		cancel()
	}
	in.endRound(r)
}

// cancelLate ends the round's waiting at its deadline, which callers who join may move. It ends with the round.
func (in *Instance) cancelLate(ctx context.Context, cancel context.CancelFunc, r *round) {
	for left := in.left(r); left > 0; left = in.left(r) {
		select {
		case <-time.After(left):
		case <-ctx.Done():
			return
		}
	}
	cancel()
}

// left is how long the round may still last.
func (in *Instance) left(r *round) time.Duration {
	in.mu.Lock()
	defer in.mu.Unlock()
	return time.Until(r.deadline)
}

// await returns when all have ended, or the context.
func await(ctx context.Context, fetches []*fetch) {
	for _, f := range fetches {
		select {
		case <-f.done:
		case <-ctx.Done():
			return
		}
	}
}

// startFetches asks each present worker that is not being asked, and gives the requests under way: of workers that
// are expected to answer, and of those that ran out of time last round.
func (in *Instance) startFetches() (quick, slow []*fetch) {
	for _, m := range in.members {
		if m.superseded {
			continue
		}
		if m.fetch == nil {
			in.startFetch(m)
		}
		if m.slow {
			slow = append(slow, m.fetch)
		} else {
			quick = append(quick, m.fetch)
		}
	}
	in.askGone(time.Now())
	return quick, slow
}

// growStack makes room for all that a fetch calls, in one step: a stack that grows deep down is copied frame by frame,
// again and again.
//
//go:noinline
func growStack() {
	var room [12 << 10]byte
	runtime.KeepAlive(&room)
}

func (in *Instance) startFetch(m *member) {
	f := &fetch{done: make(chan struct{})}
	m.fetch, m.lastTry = f, time.Now()
	job, url, st := in.job, m.worker.URL(), m.inc.Stage()
	ing := &ingest{job: job, table: in.table, stage: st}
	in.federator.group.Go(func() {
		growStack()
		begun := time.Now()
		err := job.Fetcher.Fetch(in.federator.ctx, url, job.ScrapeTimeout, ing.response)
		in.mu.Lock()
		defer in.mu.Unlock()
		m.took = time.Since(begun)
		in.finish(m, ing, err)
		st.Release()
		m.fetch = nil
		close(f.done)
	})
}

// finish takes the end of a request: the page is committed, or the worker has failed.
func (in *Instance) finish(m *member, ing *ingest, err error) {
	if in.federator.ctx.Err() != nil {
		return
	}
	if m.fetch.gone && in.departed[m.worker.Key] == m && m.waits() {
		in.finishGone(m, ing, err)
	}
	if in.members[m.worker.Key] != m {
		return // departed meanwhile: what it counted is settled
	}
	if err == nil {
		err = in.commit(m, ing, time.Now())
	}
	in.federator.metrics.scrapes.Scraped(in.job.Name, ing.bytes, err)
	if in.members[m.worker.Key] != m {
		return // replaced by who answered
	}
	m.slow = scraper.ResultOf(err) == scraper.ResultTimeout
	if err != nil {
		in.fail(m, err)
		return
	}
	if m.err != "" || m.state == stateFailed {
		in.logger.Info("Worker answers again", "worker_id", m.name, "address", m.worker.Address)
	}
	m.state, m.err, m.failures = stateUp, "", 0
	m.lastOK, m.bytes, m.samples = time.Now(), ing.bytes, ing.samples
	in.fold.SetUp(m.inc, true)
}

// fail notes that a worker did not answer as it should; the log says so once per change.
func (in *Instance) fail(m *member, err error) {
	if result := scraper.ResultOf(err); m.state != stateFailed || m.result != result {
		in.logger.Warn("Scrape of worker has an error; its last snapshot counts on", "worker_id", m.name,
			"service_id", m.worker.ServiceID, "address", m.worker.Address, "err", err)
		m.result = result
	}
	m.err = err.Error()
	m.state = stateFailed
	if m.fetch == nil || !m.fetch.counted {
		m.failures++
	}
	if m.fetch != nil {
		m.fetch.counted = true
	}
	in.fold.SetUp(m.inc, false)
	if m.registered {
		return
	}
	switch {
	case errors.Is(err, syscall.ECONNREFUSED) || scraper.ResultOf(err) == scraper.ResultWrongWorker:
		in.depart(m, reasonVanished, time.Now())
	case m.failures >= 2:
		in.depart(m, reasonExpired, time.Now())
	}
}

var errClosed = &NotReadyError{"the federator is shutting down"}

var errNoAnswer = &scraper.Error{
	Result: scraper.ResultTimeout,
	Err:    errors.New("no answer within this round; the request goes on and counts for the next page"),
}

// endRound makes the page of a round, for those who wait for it.
func (in *Instance) endRound(r *round) {
	keeps := in.turn()
	in.mu.Lock()
	if in.federator.ctx.Err() != nil { // that Close cut the requests off says nothing about the workers
		defer in.mu.Unlock()
		if keeps {
			<-in.writing
		}
		r.err, in.round = errClosed, nil
		close(r.done)
		return
	}
	r.page, r.err = in.show(keeps)
	in.mu.Lock()
	defer in.mu.Unlock()
	now := time.Now()
	in.page, in.pageErr, in.last, in.took = r.page, r.err, now, now.Sub(r.begun)
	in.round = nil
	in.countRound(r)
	close(r.done)
}

func (in *Instance) countRound(r *round) {
	if in.closed {
		return
	}
	m := in.federator.metrics
	m.rounds.WithLabelValues(in.job.Name, r.trigger).Inc()
	m.duration.WithLabelValues(in.job.Name).Observe(in.took.Seconds())
}
