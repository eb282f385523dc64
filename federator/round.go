package federator

import (
	"context"
	"time"
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
	waited  bool          // somebody asked for its page
	done    chan struct{} // closed when page and err are set
	page    *Page
	err     error
	begun   time.Time
	// prepared is closed when early is set: the page, if the ledger takes it. It may never be.
	prepared chan struct{}
	early    *Page
	ahead    *write // of the page; nil: none has begun, or it is on its way
	// deadline is the latest of those who wait, scrape_timeout at most: who can wait longer is not answered early
	// because another cannot.
	deadline time.Time
}

// Prepare gives the merged page of the round in flight or of a new one, while the ledger is given what it shows: nothing of
// it may be shown before Kept. Where ctx ends before the round, the page has what has arrived by then; the round goes on
// for others.
func (in *Instance) Prepare(ctx context.Context) (*Page, error) {
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
	case <-r.prepared:
		return r.early, nil
	case <-r.done:
		return r.page, r.err
	case <-ctx.Done():
		return in.early(r)
	}
}

// kept is Page.Kept of the early page.
func (r *round) kept() *Page {
	<-r.done
	if r.page == r.early {
		return nil
	}
	return r.page
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
	return in.show(keeps, nil, func(*Page) {})
}

// show makes the page as of now, and returns when the ledger has what it shows, by the write that has begun, if there is one.
// The page is given to prepared before that, where the ledger is well. It takes the instance's lock locked, and gives it back
// unlocked.
func (in *Instance) show(keeps bool, w *write, prepared func(*Page)) (*Page, error) {
	now := time.Now()
	in.giveUp()
	in.settle(now)
	if keeps && w == nil {
		w = in.beginWrite(true)
	}
	page, err := in.render(now, w)
	if keeps {
		if page != nil && in.degraded == nil {
			prepared(page)
		}
		k := in.collect(true, now)
		in.mu.Unlock()
		in.keep(w, k)
		in.mu.Lock()
	}
	defer in.mu.Unlock()
	if page != nil && in.degraded != nil { // known only now
		page = &Page{Families: withDegraded(page.Families), Time: page.Time}
	}
	return page, err
}

// giveUp counts those who have not answered yet as failed for the page that is made now.
func (in *Instance) giveUp() {
	for _, m := range in.sorted() {
		if m.fetch != nil && !m.superseded && !m.fetch.besideRounds() {
			m.slow = true
			in.fail(m, errNoAnswer)
		}
	}
}

// startRound joins the round in flight or starts one; nil where the federator closes.
func (in *Instance) startRound(ctx context.Context, trigger string) *round {
	f := in.federator
	if in.round == nil {
		r := &round{trigger: trigger, done: make(chan struct{}), prepared: make(chan struct{}), begun: time.Now()}
		r.extend(ctx, in.job.ScrapeTimeout)
		if f.spawn(func() { in.run(r) }) {
			in.round = r
		}
	} else {
		in.round.extend(ctx, in.job.ScrapeTimeout)
	}
	if in.round != nil && trigger == triggerRequest {
		in.round.waited = true
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
	in.mu.Lock()
	r.ahead = in.beginAhead()
	all := in.startFetches()
	in.mu.Unlock()
	in.await(r, all.leaving, time.Now().Add(slowGrace)) // most are refused at once
	in.saveAhead(all.quick)
	in.await(r, all.quick, time.Time{})
	in.await(r, all.slow, time.Now().Add(slowGrace))
	in.endRound(r)
}

// await returns when all have ended, at the round's deadline, which callers who join may move, or at the limit if there
// is one.
func (in *Instance) await(r *round, a *answers, limit time.Time) {
	select {
	case <-a.all: // as it is, mostly, where nobody is slow
		return
	default:
	}
	timer := time.NewTimer(in.left(r, limit))
	defer timer.Stop()
	for {
		select {
		case <-a.all:
			return
		case <-in.federator.ctx.Done():
			return
		case <-timer.C:
			left := in.left(r, limit)
			if left <= 0 {
				return
			}
			timer.Reset(left)
		}
	}
}

// left is how long the round may still last, or until the limit.
func (in *Instance) left(r *round, limit time.Time) time.Duration {
	in.mu.Lock()
	defer in.mu.Unlock()
	if limit.IsZero() || r.deadline.Before(limit) {
		limit = r.deadline
	}
	return time.Until(limit)
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
		r.ahead.giveUp()
		r.err, in.round, r.ahead = errClosed, nil, nil
		close(r.done)
		return
	}
	r.page, r.err = in.show(keeps, in.takeAhead(r, keeps), func(page *Page) {
		page.Kept, r.early = r.kept, page
		close(r.prepared)
	})
	in.mu.Lock()
	defer in.mu.Unlock()
	now := time.Now()
	in.page, in.pageErr, in.last, in.took = r.page, r.err, now, now.Sub(r.begun)
	in.round = nil
	in.countRound(r)
	close(r.done)
	in.federator.firstRound()
	if in.degraded == nil && in.fold.LongTail() {
		in.saveBeside(&keeping{ahead: true}) // of the next page
	}
}

func (in *Instance) countRound(r *round) {
	if in.closed {
		return
	}
	m := in.federator.metrics
	m.rounds.WithLabelValues(in.job.Name, r.trigger).Inc()
	m.duration.WithLabelValues(in.job.Name).Observe(in.took.Seconds())
}
