package federator

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/fedscrape/fedscrape/exposition"
	"github.com/fedscrape/fedscrape/merge"
	"github.com/fedscrape/fedscrape/scraper"
)

// ingest reads one page into a stage. It belongs to one goroutine.
type ingest struct {
	job   *Job
	table *exposition.Table
	stage *merge.Stage

	bytes    int64
	samples  int
	workerID string
	start    float64
	whole    bool // the page's own end was seen, or its length was told
}

// response reads an answer while it arrives. Nothing counts before commit.
func (g *ingest) response(r *scraper.Response) error {
	g.workerID, g.start = r.WorkerID, r.StartTime
	return g.read(r)
}

func (g *ingest) read(r *scraper.Response) error {
	format, known := exposition.FormatOf(r.ContentType)
	if !known {
		whole, err := io.ReadAll(r.Body)
		if err != nil {
			g.bytes = int64(len(whole))
			return err
		}
		format, r.Body = exposition.SniffFormat(whole), bytes.NewReader(whole)
	}
	g.whole = r.LengthTold || format == exposition.OpenMetrics
	page := exposition.NewPage(format, g.table, g.stage, g.job.Limits, g.job.relabelFunc())
	page.Expect(g.stage.Expected(), g.stage)
	page.Foresee(r.Length)
	n, err := r.CopyTo(page)
	g.bytes = n
	if err == nil {
		err = page.Close(r.LengthTold)
	}
	g.samples = page.Samples()
	g.stage.Read(page.Lines())
	return asScrapeError(err)
}

// asScrapeError gives a page's error the result that counts it.
func asScrapeError(err error) error {
	if err == nil {
		return nil
	}
	var e *scraper.Error
	var limit *exposition.LimitError
	switch {
	case errors.As(err, &e):
		return err
	case errors.As(err, &limit):
		return &scraper.Error{Result: scraper.ResultLimit, Err: err}
	default:
		return &scraper.Error{Result: scraper.ResultParse, Err: err}
	}
}

func parseError(format string, args ...any) error {
	return &scraper.Error{Result: scraper.ResultParse, Err: fmt.Errorf(format, args...)}
}

// startTime is when the process that wrote the page began, in Unix seconds; 0 where the page does not show it.
func (g *ingest) startTime() float64 {
	if v, ok := g.stage.Value("process_start_time_seconds"); ok && v > 0 {
		return v
	}
	return g.start
}

// commit makes a whole page the member's snapshot, if it is this member who answered.
func (in *Instance) commit(m *member, g *ingest, now time.Time) error {
	if in.fold.Stale(g.stage) {
		return nil // it began before lines were let go that it has: the last page counts until the next
	}
	if g.samples == 0 && m.samples > 0 {
		return parseError("the page has no sample, although it had %d before", m.samples)
	}
	if err := in.checkShared(m, g, now); err != nil {
		return err
	}
	was := in.before(m)
	if err := in.identify(m, g, now); err != nil {
		return err
	}
	if err := in.checkWhole(m, g); err != nil {
		in.noteReplaced(m, was, 0)
		return err
	}
	report := in.take(g, now)
	was.page = report.Before
	in.noteReplaced(m, was, report.Falls)
	return nil
}

// take commits a page, and counts the resets in it.
func (in *Instance) take(g *ingest, now time.Time) merge.Report {
	report := in.fold.Commit(g.stage, now)
	if report.Resets > 0 {
		in.counts.resets += report.Resets
		in.federator.metrics.resets.WithLabelValues(in.job.Name).Add(float64(report.Resets))
	}
	return report
}

// checkWhole refuses once a page that lacks series and did not say where it ends: a worker that is killed while it
// answers leaves half a page that looks whole.
func (in *Instance) checkWhole(m *member, g *ingest) error {
	if g.whole || !in.fold.Lacks(g.stage) {
		m.suspect = false
		return nil
	}
	if !m.suspect {
		m.suspect = true
		return parseError("the page lacks series that it had, and the answer did not tell its length: taken if the next one lacks them too")
	}
	m.suspect = false
	return nil
}

// identify finds out whether the page is the member's own. Where another life of the worker answers, the old one
// departs and the page counts for the new one.
func (in *Instance) identify(m *member, g *ingest, now time.Time) error {
	if err := in.checkID(m, g, now); err != nil {
		return err
	}
	start := g.startTime()
	in.takeOver(m, g, start, now)
	switch {
	case in.another(m, start):
		in.fold.SetBase(m.inc, false) // another process than the folded one, under the same key
		m.folded = identity{}
	case m.start > 0 && start > 0 && !sameStart(m.start, start):
		if in.fold.Fell(g.stage) {
			in.replace(m, g, now)
		} else {
			in.logger.Warn("Worker's start time changed but nothing fell: the wall clock was set; it is the same life",
				"worker_id", m.name, "from", m.start, "to", start)
		}
	}
	m.start = start
	return nil
}

// checkID refuses a page that another worker signed.
func (in *Instance) checkID(m *member, g *ingest, now time.Time) error {
	if g.workerID == "" || m.worker.ServiceID == "" {
		return nil
	}
	if g.workerID == m.worker.ServiceID {
		m.saidID = true
		return nil
	}
	err := &scraper.Error{Result: scraper.ResultWrongWorker, Err: fmt.Errorf("worker %q answers at this address: the port has a new owner", g.workerID)}
	switch {
	case m.registered && m.fetch.besideRounds(): // it may be about to take over from who answers still
	case m.saidID || in.registeredID(g.workerID):
		in.depart(m, reasonReplaced, now)
	}
	return err
}

func (in *Instance) registeredID(serviceID string) bool {
	for _, m := range in.members {
		if m.worker.ServiceID == serviceID {
			return true
		}
	}
	return false
}

// replace begins a new life under the same key: what the old one counted is folded.
func (in *Instance) replace(m *member, g *ingest, now time.Time) {
	in.logger.Info("Worker restarted", "worker_id", m.name, "address", m.worker.Address)
	in.departFold(m.inc, now, true)
	in.countDeparture(reasonReplaced)
	m.inc = in.fold.Add(merge.Spec{Key: m.worker.Key, WorkerID: m.name, Born: now})
	g.stage.Rebind(m.inc)
	in.counts.started++
	m.since = now
}

// takeOver settles what becomes of the member that was registered with this address before: it is the same process
// under a new ID, or it is gone.
func (in *Instance) takeOver(m *member, g *ingest, start float64, now time.Time) {
	old := m.predecessor
	m.predecessor = nil
	if old == nil || in.members[old.worker.Key] != old {
		return
	}
	if start > 0 && old.start > 0 && sameStart(start, old.start) && !in.fold.FellFrom(g.stage, old.inc) {
		in.fold.Remove(m.inc)
		delete(in.members, old.worker.Key)
		in.folded.remember(old.worker.Key, identity{At: now, Replaced: old.worker.Address, ServiceID: old.worker.ServiceID, CreateIndex: old.worker.CreateIndex})
		m.inc, m.start, m.samples = old.inc, old.start, old.samples
		g.stage.Rebind(m.inc)
		in.counts.started--
		in.nameWorkers()
		return
	}
	in.depart(old, reasonReplaced, now)
}
