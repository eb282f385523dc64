package federator

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/fedscrape/fedscrape/discovery"
	"github.com/fedscrape/fedscrape/scraper"
)

// Final takes a worker's last snapshot and folds the worker at once. nil means taken, now or before; else a *FinalError.
func (f *Federator) Final(ctx context.Context, final Final) error {
	in, job, err := f.finalInstance(ctx, &final)
	if err == nil {
		err = in.final(&final)
	}
	f.countFinal(job, err)
	return err
}

// What became of final snapshots, as in fedscrape_finals_total.
const finalOK = "ok"

var finalResults = [...]string{FinalBad: "bad", FinalUnknown: "unknown", FinalTooLarge: "too_large", FinalNotReady: "not_ready"}

func (f *Federator) countFinal(job *Job, err error) {
	result := finalOK
	if e, ok := errors.AsType[*FinalError](err); ok {
		result = finalResults[e.Kind]
	}
	if job != nil {
		f.metrics.finals.WithLabelValues(job.Name, result).Inc()
	}
}

// finalInstance finds the instance that knows the worker. A worker that no watch has shown yet is looked up at once:
// it may be born and gone in 10 ms.
func (f *Federator) finalInstance(ctx context.Context, final *Final) (*Instance, *Job, error) {
	f.mu.Lock()
	job, in := f.ownerOf(final.Job, final.Instance)
	f.mu.Unlock()
	if job == nil {
		return nil, nil, &FinalError{FinalUnknown, fmt.Errorf("unknown job %q", final.Job)}
	}
	if in != nil && in.knows(final) {
		return in, job, nil
	}
	w, err := f.lookUp(ctx, job, final)
	if err != nil {
		return nil, job, err
	}
	return f.join(job, w), job, nil
}

// ownerOf gives the job of the configuration whose instances have the job label, and the instance where it is known.
func (f *Federator) ownerOf(job, instance string) (*Job, *Instance) {
	if in := f.instances[instanceKey{job, instance}]; in != nil {
		return f.job(in.jobName()), in
	}
	if j := f.job(job); j != nil {
		return j, nil
	}
	for k, in := range f.instances {
		if k.job == job {
			return f.job(in.jobName()), nil
		}
	}
	return nil, nil
}

// finalKeyPrefix begins the key of a worker that no registry knows.
const finalKeyPrefix = "final\x00"

// lookUp asks the registry for a worker that is not known. An authenticated request is believed without it.
func (f *Federator) lookUp(ctx context.Context, job *Job, final *Final) (discovery.Worker, error) {
	var found []discovery.Worker
	var err error
	if f.lookup != nil {
		found, err = f.lookup(ctx, job.Name, final.ServiceID)
	}
	for _, w := range found {
		if w.Job == final.Job && w.Instance == final.Instance {
			return w, nil
		}
	}
	switch {
	case final.Authenticated:
		w := discovery.Worker{ServiceID: final.ServiceID, Key: finalKeyPrefix + final.ServiceID}
		w.Job, w.Instance, w.WorkerID = final.Job, final.Instance, final.ServiceID
		w.StartTime = time.UnixMilli(int64(final.StartTime * 1000))
		return w, nil
	case err != nil:
		return discovery.Worker{}, &FinalError{FinalNotReady, fmt.Errorf("ask the registry for worker %q: %w", final.ServiceID, err)}
	}
	return discovery.Worker{}, &FinalError{FinalUnknown, fmt.Errorf("unknown worker %q of job %q: it is not registered", final.ServiceID, final.Job)}
}

// join makes a looked-up worker present, in its instance, which it may be the first to make known.
func (f *Federator) join(job *Job, w discovery.Worker) *Instance {
	f.mu.Lock()
	defer f.mu.Unlock()
	now := time.Now()
	k := instanceKey{w.Job, w.Instance}
	in := f.instance(k, job, now)
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.byServiceID(w.ServiceID) == nil && !in.folded.byKey[w.Key].gone(&w) {
		if m := in.member(&w, now); m != nil {
			m.handsIn = true
		}
		in.nameWorkers()
	}
	return in
}

// knows tells whether the worker is present, kept apart, or has handed in before.
func (in *Instance) knows(final *Final) bool {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.byServiceID(final.ServiceID) != nil || in.handedIn(final)
}

func (in *Instance) byServiceID(id string) *member {
	for _, list := range []map[string]*member{in.members, in.departed} {
		for _, m := range list {
			if m.worker.ServiceID == id {
				return m
			}
		}
	}
	return nil
}

// handedIn tells whether this incarnation's final snapshot was taken before.
func (in *Instance) handedIn(final *Final) bool {
	return in.folded.handedIn(final.ServiceID, final.StartTime)
}

// final reads the page and folds the worker. Until it is whole nothing has changed.
func (in *Instance) final(final *Final) error {
	in.mu.Lock()
	m := in.byServiceID(final.ServiceID)
	if m == nil || in.handedIn(final) {
		in.mu.Unlock()
		return nil // taken before
	}
	g := &ingest{job: in.job, table: in.table, stage: m.inc.Stage()}
	m.handsIn = true
	in.mu.Unlock()
	defer in.handedOver(m)
	body := &io.LimitedReader{R: final.Body, N: in.bodyLimit(g.job) + 1}
	if err := g.read(&scraper.Response{ContentType: final.ContentType, LengthTold: true, Body: body}); err != nil {
		return finalError(err)
	}
	if body.N <= 0 {
		return &FinalError{FinalTooLarge, fmt.Errorf("the page is over body_size_limit (%d bytes): raise it for the job if this is a worker's page", in.bodyLimit(g.job))}
	}
	if err := in.takeFinal(m, g, final, time.Now()); err != nil {
		return err
	}
	in.keepNow(false)
	return nil
}

// handedOver ends what a final snapshot began, taken or not.
func (in *Instance) handedOver(m *member) {
	in.mu.Lock()
	defer in.mu.Unlock()
	m.handsIn = false
}

func (in *Instance) bodyLimit(job *Job) int64 {
	if job.BodySizeLimit > 0 {
		return job.BodySizeLimit
	}
	return 1 << 40
}

func finalError(err error) error {
	var e *scraper.Error
	if errors.As(err, &e) && (e.Result == scraper.ResultTooLarge || e.Result == scraper.ResultLimit) {
		return &FinalError{FinalTooLarge, err}
	}
	return &FinalError{FinalBad, err}
}

// takeFinal commits the final page to the incarnation that it names, and folds that one.
func (in *Instance) takeFinal(m *member, g *ingest, final *Final, now time.Time) error {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.handedIn(final) {
		return nil
	}
	if g.samples == 0 && m.samples > 0 {
		return &FinalError{FinalBad, fmt.Errorf("the page has no sample, although it had %d before", m.samples)}
	}
	if in.fold.Stale(g.stage) {
		return &FinalError{FinalNotReady, errors.New("lines that the page has were let go while it was read: hand it in again")}
	}
	if m.start > final.StartTime && !sameStart(m.start, final.StartTime) {
		return &FinalError{FinalUnknown, fmt.Errorf("worker %q started at %.3f, not at %.3f: this is an earlier life of it", final.ServiceID, m.start, final.StartTime)}
	}
	if in.departed[m.worker.Key] == m {
		in.fold.Return(m.inc)
		delete(in.departed, m.worker.Key)
		in.members[m.worker.Key] = m
	}
	if in.members[m.worker.Key] != m {
		return nil
	}
	g.stage.Rebind(m.inc) // a scrape may have found another life of it meanwhile
	switch {
	case in.another(m, final.StartTime):
		in.fold.SetBase(m.inc, false) // another life than the folded one, under the same key: all of it counts
	case m.start > 0 && !sameStart(m.start, final.StartTime) && in.fold.Fell(g.stage):
		in.replace(m, g, now) // it ends before anybody has seen its new life
	}
	if g.samples > 0 {
		in.take(g, now)
	}
	m.start = final.StartTime
	in.depart(m, reasonGoodbye, now)
	return nil
}
