package federator

import (
	"errors"
	"syscall"
	"time"

	"github.com/fedscrape/fedscrape/scraper"
)

// fetch is one request to one worker. It outlives its round where the worker is slow.
type fetch struct {
	awaited *answers // by the last round that it was part of; nil: by none
	leaving *answers // of that round, where the worker is not registered any more; nil: it is, or has been slow
	counted bool     // as a failure, by a round that it outlived
	gone    bool     // asks one that said goodbye whether it lives
	met     *lane    // it began beside rounds; nil: not so
}

// besideRounds tells whether no round waits for it: it asks who has come or gone.
func (f *fetch) besideRounds() bool { return f != nil && f.met != nil && f.awaited == nil }

// answers are requests that a round waits for: it is woken once. The instance's lock guards it.
type answers struct {
	left int
	all  chan struct{} // closed when none is left
}

func newAnswers() *answers { return &answers{left: 1, all: make(chan struct{})} } // one for who adds

// ended notes that a request has ended, or that all have been added.
func (a *answers) ended() {
	if a.left--; a.left == 0 {
		close(a.all)
	}
}

// awaiting are the requests that a round waits for.
type awaiting struct {
	quick   *answers // of workers that are expected to answer
	leaving *answers // those of them that are not registered any more
	slow    *answers // of those that ran out of time last round
}

// startFetches asks each present worker that is not being asked, and gives the requests under way. Who is not registered any more
// comes first: what has departed is for the ledger, while the others answer.
func (in *Instance) startFetches() awaiting {
	all := awaiting{newAnswers(), newAnswers(), newAnswers()}
	for _, m := range in.members {
		if !m.registered {
			in.ask(m, all)
		}
	}
	for _, m := range in.members {
		if m.registered {
			in.ask(m, all)
		}
	}
	in.askGone(time.Now())
	all.quick.ended()
	all.leaving.ended()
	all.slow.ended()
	return all
}

// ask makes a request to a worker part of the round, the one under way or a new one.
func (in *Instance) ask(m *member, all awaiting) {
	if m.superseded {
		return
	}
	if m.fetch == nil {
		in.startFetch(m)
	}
	f := m.fetch
	f.awaited, f.leaving = all.quick, nil
	switch {
	case m.slow:
		f.awaited = all.slow
	case !m.registered:
		f.leaving = all.leaving
		f.leaving.left++
	}
	f.awaited.left++
}

func (in *Instance) startFetch(m *member) {
	f := &fetch{}
	m.fetch, m.lastTry = f, time.Now()
	job, url, st := in.job, m.worker.URL(), m.inc.Stage()
	ing := &ingest{job: job, table: in.table, stage: st}
	in.federator.crew.run(func() {
		defer in.federator.endMeeting(f)
		begun := time.Now()
		err := job.Fetcher.Fetch(in.federator.ctx, url, job.ScrapeTimeout, ing.response)
		in.mu.Lock()
		defer in.mu.Unlock()
		m.took = time.Since(begun)
		in.finish(m, ing, err)
		st.Release()
		m.fetch = nil
		if f.leaving != nil {
			f.leaving.ended()
		}
		if f.awaited != nil {
			f.awaited.ended()
		}
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
	if err != nil && (m.fetch.besideRounds() || in.mayBegin(m, err)) {
		in.departRefused(m, err)
		return
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
	in.sayAhead(m)
}

// fail notes that a worker did not answer as it should; the log says so once per change. Of one that is not registered any more
// and whose address refuses it says only that it departed: after a deploy that is every old worker.
func (in *Instance) fail(m *member, err error) {
	result := scraper.ResultOf(err)
	gone := !m.registered && errors.Is(err, syscall.ECONNREFUSED)
	if !gone && (m.state != stateFailed || m.result != result) {
		in.logger.Warn("Scrape of worker has an error; its last snapshot counts on", "worker_id", m.name,
			"service_id", m.worker.ServiceID, "address", m.worker.Address, "err", err)
	}
	m.err, m.result, m.state = err.Error(), result, stateFailed
	counted := m.fetch != nil && m.fetch.counted
	if !counted {
		m.failures++
	}
	if m.fetch != nil {
		m.fetch.counted = true
	}
	in.fold.SetUp(m.inc, false)
	if old := m.predecessor; old != nil && !counted && !old.registered && in.members[old.worker.Key] == old {
		in.fail(old, err) // nobody asks at this address but for m
	}
	in.departRefused(m, err)
	if !m.registered && m.failures >= 2 {
		in.depart(m, reasonExpired, time.Now())
	}
}

// departRefused has a worker depart that is not registered any more, where nobody or another answers at its address. Whose last
// page is on its way is left to that.
func (in *Instance) departRefused(m *member, err error) {
	replaced := scraper.ResultOf(err) == scraper.ResultWrongWorker
	switch {
	case m.registered || m.handsIn:
	case replaced && m.saidID: // its successor was asked in its place
		in.depart(m, reasonReplaced, time.Now())
	case replaced || errors.Is(err, syscall.ECONNREFUSED):
		in.depart(m, reasonVanished, time.Now())
	}
}

var errClosed = &NotReadyError{"the federator is shutting down"}

var errNoAnswer = &scraper.Error{
	Result: scraper.ResultTimeout,
	Err:    errors.New("no answer within this round; the request goes on and counts for the next page"),
}
