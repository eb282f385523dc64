package federator

import (
	"fmt"
	"slices"
	"time"

	"github.com/fedscrape/fedscrape/merge"
	"github.com/fedscrape/fedscrape/scraper"
)

// Several processes behind one address (SO_REUSEPORT, a socket opened before a fork) answer in turn. Taken for one
// worker that restarts again and again, each turn would add its whole count. What tells them from a restart is that
// one who was replaced comes back.
const (
	// comebacksShared is how many make a shared port; the first may be a process that ends while the next begins.
	comebacksShared = 2
	// heldAnswers is how often in a row one who came back has to answer to be believed.
	heldAnswers = 5
	// calmAnswers is how often in a row one process has to answer at a shared port until it is trusted again, and for
	// how many answers the page of one who was replaced is remembered. Its start time is for longer.
	calmAnswers = 20
	maxFormer   = 16
	maxPages    = 4
)

// speaker is who gave a page, and what it said.
type speaker struct {
	id    string  // X-Fedscrape-Worker
	start float64 // exact: processes of one fork differ by milliseconds
	page  *merge.Snapshot
	soft  bool // replaced by a start time only: maybe the clock was set
}

// port is the suspicion that several processes answer at a worker's address. A member has one from the first fall of
// its counters on. It sleeps when nobody has come back for calmAnswers, until one comes with a start time that it knows.
type port struct {
	awake     bool
	former    []*speaker // who was replaced, the newest last
	last      *speaker
	comebacks int
	calm      int // answers in a row that may be of one process
	held      int // of them those of one who came back
	quiet     int // answers since somebody was replaced or came back
	shared    error
}

// checkShared refuses a page of one who was replaced at this address and comes back.
func (in *Instance) checkShared(m *member, g *ingest, now time.Time) error {
	a := &speaker{id: g.workerID, start: g.startTime()}
	if m.port == nil {
		if !in.replacedHere(m, a) {
			return nil
		}
		m.port = &port{awake: true}
	}
	p := m.port
	if p.awake = p.awake || p.knows(a.start); !p.awake {
		return nil
	}
	a.page = g.stage.Snapshot()
	if p.calm++; p.last != nil {
		defer in.fold.Release(p.last.page)
	}
	if p.last != nil && !in.sameSpeaker(p.last, a, g) {
		p.calm = 1
	}
	p.last = a
	back := in.comeback(m, a, g)
	switch {
	case p.shared != nil && p.calm < calmAnswers:
		return p.shared
	case p.shared == nil && back == nil:
		if p.quiet, p.held = p.quiet+1, 0; p.quiet > calmAnswers {
			p.sleep(in.fold)
		}
		return nil
	case p.shared == nil && min(p.calm, p.held) < heldAnswers:
		return in.suspect(m, a, back)
	}
	in.trust(m, g, a, back, now)
	return nil
}

// notOf tells whether another worker than the member has signed.
func (m *member) notOf(a *speaker) bool {
	return a.id != "" && m.worker.ServiceID != "" && a.id != m.worker.ServiceID
}

// suspect counts a comeback, and says so from the second on.
func (in *Instance) suspect(m *member, a, back *speaker) error {
	p := m.port
	if back != a {
		in.fold.Release(back.page)
		back.page = in.fold.Share(a.page)
	}
	if p.quiet = 0; p.held == 0 || p.calm == 1 {
		p.comebacks++
	}
	p.held++
	what := "counters fall and rise in turn"
	switch {
	case m.notOf(a):
		what = fmt.Sprintf("%q and %q answer in turn", m.worker.ServiceID, a.id)
	case a.start > 0 && a.start != m.start:
		what = fmt.Sprintf("the start times %.2f and %.2f alternate", m.start, a.start)
	}
	if p.comebacks < comebacksShared {
		return sharedError("an earlier process answers again at %s (%s): it is not believed unless it stays", m.worker.Address, what)
	}
	p.shared = sharedError("several processes answer at %s: %s; their counters cannot be told apart, the last good snapshot counts on; "+
		"give each worker a port of its own, opened after the fork and without SO_REUSEPORT", m.worker.Address, what)
	in.logger.Error("Several processes share one address", "worker_id", m.name, "address", m.worker.Address, "seen", what)
	return p.shared
}

func sharedError(format string, args ...any) error {
	return &scraper.Error{Result: scraper.ResultWrongWorker, Err: fmt.Errorf(format, args...)}
}

// trust takes one process for the worker from now on. What it counted before may be in the sums: its page is its base.
func (in *Instance) trust(m *member, g *ingest, a, back *speaker, now time.Time) {
	p, shared := m.port, m.port.shared != nil
	p.sleep(in.fold)
	if m.notOf(a) {
		return // checkID knows what to do about another worker
	}
	goesOn := back == nil && (a.start == 0 || a.start == m.start) && !in.fold.GapFrom(g.stage, m.inc).Fell
	if goesOn || !shared && a.start == 0 {
		return
	}
	in.logger.Info("One process answers alone at an address that several shared: its counts so far are its base",
		"worker_id", m.name, "address", m.worker.Address)
	p.replace(m.start, a.start)
	in.departFold(m.inc, now, true)
	in.countDeparture(reasonReplaced)
	m.inc = in.fold.Add(merge.Spec{Key: m.worker.Key, WorkerID: m.name, Born: now, Base: true})
	g.stage.Rebind(m.inc)
	in.counts.started++
	in.based = true
	m.start, m.since, m.folded = a.start, now, identity{}
}

// sameSpeaker tells whether an answer may be of the process that gave the one before.
func (in *Instance) sameSpeaker(before, a *speaker, g *ingest) bool {
	switch {
	case before.id != a.id:
		return false
	case before.start > 0 && a.start > 0 && !sameStart(before.start, a.start):
		return false
	}
	return !in.fold.Gap(g.stage, before.page).Fell
}

// comeback gives the process that had been replaced and gave this page; nil where it is of the worker or of a new one.
func (in *Instance) comeback(m *member, a *speaker, g *ingest) *speaker {
	if in.replacedHere(m, a) {
		return a
	}
	if len(m.port.former) == 0 || m.notOf(a) {
		return nil
	}
	if a.id != "" && a.start > 0 && a.start == m.start {
		return nil // signed and of the very start time: it is the worker, which begins its counters anew
	}
	current := in.fold.GapFrom(g.stage, m.inc)
	for _, f := range slices.Backward(m.port.former) {
		switch {
		case f.start > 0 && a.start > 0 && !sameStart(f.start, a.start):
		case f.start != a.start && m.start == a.start: // the worker's own
		case f.start != m.start && f.start == a.start && a.start > 0:
			if !f.soft || current.Fell {
				return f
			}
		case in.closer(g, a, f, current):
			return f
		}
	}
	return nil
}

// closer tells whether a page without an identity follows a former one much better than the last: it does not fall
// where the other does, or it repeats what the other would have to jump to. How many series change says nothing: of
// processes that started in one tick, who answers again may have spent time on the CPU, and so come level with another.
// Of two pages that are the very same, former keeps no copy of its own.
func (in *Instance) closer(g *ingest, a, former *speaker, current merge.Gap) bool {
	if former.soft || former.page == nil {
		return false
	}
	gap := in.fold.Gap(g.stage, former.page)
	if gap.Fell {
		return false
	}
	if gap.Same { // one copy is enough: it is known to be the same without another look
		in.fold.Release(former.page)
		former.page = in.fold.Share(a.page)
	}
	if a.start > 0 && gap.Rise == 0 {
		return false // a process that tells its start, and counts nothing between two answers, is no second one at work
	}
	return current.Fell || gap.Rise*4 < current.Rise
}

// replacedHere tells whether the page is signed by a worker that another one has replaced at this very address.
func (in *Instance) replacedHere(m *member, a *speaker) bool {
	if !m.notOf(a) {
		return false
	}
	for _, id := range in.folded.byKey {
		if id.ServiceID == a.id && id.Replaced == m.worker.Address {
			return true
		}
	}
	return false
}

// earlier is the worker as it was when a page came.
type earlier struct {
	speaker
	inc, predecessor *merge.Incarnation
}

func (in *Instance) before(m *member) earlier {
	b := earlier{speaker: speaker{start: m.start}, inc: m.inc}
	if m.predecessor != nil {
		b.predecessor = m.predecessor.inc
	}
	return b
}

// noteReplaced remembers who was replaced by the page that was taken: another life, or a fall that looks like one.
func (in *Instance) noteReplaced(m *member, was earlier, falls int) {
	switch {
	case m.inc == was.predecessor: // the same process under a new ID
		return
	case m.inc != was.inc:
		was.page = in.fold.Snapshot(was.inc)
	case falls > 0:
	case was.start > 0 && m.start > 0 && !sameStart(was.start, m.start):
		was.soft = true
	default:
		return
	}
	if m.port == nil {
		m.port = &port{}
	}
	m.port.add(&was.speaker, in.fold)
}

// add remembers who was replaced. One page is enough of what repeats itself.
func (p *port) add(s *speaker, fold *merge.Fold) {
	p.former = slices.DeleteFunc(p.former, func(f *speaker) bool {
		same := f.id == s.id && f.start == s.start && f.soft == s.soft && f.page.Same(s.page)
		if same {
			f.forget(fold)
		}
		return same
	})
	p.awake, p.quiet, p.former = true, 0, append(p.former, s)
	for _, f := range p.former[:max(0, len(p.former)-maxPages)] {
		f.forget(fold)
	}
	p.former = p.former[max(0, len(p.former)-maxFormer):]
}

// forget lets go of the page.
func (s *speaker) forget(fold *merge.Fold) {
	fold.Release(s.page)
	s.page = nil
}

// replace swaps the places of two start times.
func (p *port) replace(old, now float64) {
	p.former = slices.DeleteFunc(p.former, func(f *speaker) bool { return f.start == now })
	if old > 0 {
		p.former = append(p.former, &speaker{start: old})
	}
}

func (p *port) knows(start float64) bool {
	return start > 0 && slices.ContainsFunc(p.former, func(f *speaker) bool { return f.start == start })
}

// sleep forgets all but who was replaced for sure.
func (p *port) sleep(fold *merge.Fold) {
	for _, f := range p.former {
		f.forget(fold)
	}
	former := slices.DeleteFunc(p.former, func(f *speaker) bool { return f.start == 0 || f.soft })
	*p = port{former: former}
}
