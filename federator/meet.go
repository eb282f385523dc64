package federator

import (
	"errors"
	"sync"
	"syscall"
	"time"
)

// A worker that has come is asked at once, beside rounds: its connection is open and its lines are known when the next page
// asks it, which after a deploy would take several times as long else. So is one whose registration has gone: while it ends
// it may still tell what it counted since the last page. Where that fails it is no failure of the worker, which may be about
// to listen: the next round asks again. Only who is not registered any more departs, where nobody or another answers.

// maxComing and maxGoing are how many workers are asked at once that no round asks. Nobody answers at most of those that go, which
// takes no time: the sooner all of them have departed, the fewer commits it takes.
const (
	maxComing = 64
	maxGoing  = 1024
)

// meetings are who is to be asked beside rounds. Who goes does not wait for who comes.
type meetings struct {
	wake chan struct{} // has room for one: Run is to look

	mu            sync.Mutex
	open          bool // somebody looks
	coming, going lane
}

// lane has those who wait for each other.
type lane struct {
	waiting []meeting
	running int
	most    int // are under way at once
}

type meeting struct {
	in *Instance
	m  *member
}

func newMeetings() meetings {
	return meetings{wake: make(chan struct{}, 1), coming: lane{most: maxComing}, going: lane{most: maxGoing}}
}

// start has who comes and goes be asked from now on.
func (s *meetings) start() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.open = true
}

// wakeUp has Run look at all instances.
func (s *meetings) wakeUp() {
	select {
	case s.wake <- struct{}{}:
	default: // it is to look anyway
	}
}

// add has a member be asked. Its instance's lock is held.
func (s *meetings) add(in *Instance, m *member) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.open {
		return
	}
	to := &s.coming
	if !m.registered {
		to = &s.going
	}
	m.meets = true
	to.waiting = append(to.waiting, meeting{in, m})
	s.wakeUp()
}

// begin gives the next of a lane, for whom end is to be called; false where there is none, or enough are under way.
func (s *meetings) begin(of *lane) (next meeting, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(of.waiting) == 0 || of.running == of.most {
		return meeting{}, false
	}
	next, of.waiting[0] = of.waiting[0], meeting{} // nothing keeps an instance that is forgotten
	of.waiting = of.waiting[1:]
	of.running++
	return next, true
}

func (s *meetings) end(of *lane) {
	s.mu.Lock()
	defer s.mu.Unlock()
	of.running--
}

// meet asks as many as may be asked at once.
func (f *Federator) meet() {
	f.meetAll(&f.meetings.going)
	f.meetAll(&f.meetings.coming)
}

func (f *Federator) meetAll(of *lane) {
	for next, ok := f.meetings.begin(of); ok; next, ok = f.meetings.begin(of) {
		if !next.in.meet(next.m, of) {
			f.meetings.end(of)
		}
	}
}

// endMeeting has the next one be asked after a request, if that was beside rounds.
func (f *Federator) endMeeting(of *fetch) {
	if of.met != nil {
		f.meetings.end(of.met)
		f.meetAll(of.met)
	}
}

// changed notes that a member has come, or that its registration has gone. Where no page was made yet, a sweep asks all.
func (in *Instance) changed(m *member, now time.Time) {
	m.changed = now
	switch {
	case in.job.SweepInterval <= 0: // nobody is asked but for a page
	case in.last.IsZero() && in.round == nil:
		in.federator.meetings.wakeUp()
	case !m.meets:
		in.federator.meetings.add(in, m)
	}
}

// meet asks a member, and tells whether it did.
func (in *Instance) meet(m *member, of *lane) bool {
	in.mu.Lock()
	defer in.mu.Unlock()
	m.meets = false
	if in.members[m.worker.Key] != m || m.fetch != nil || m.superseded || m.handsIn || !m.lastTry.Before(m.changed) {
		return false
	}
	in.startFetch(m)
	m.fetch.met = of
	return true
}

// mayBegin tells whether a worker that refused may be about to listen: nobody has asked for its instance's first page yet.
func (in *Instance) mayBegin(m *member, err error) bool {
	r := in.round
	return r != nil && !r.waited && in.last.IsZero() && m.state == stateNew && errors.Is(err, syscall.ECONNREFUSED)
}

// partedDelay is how long the ledger waits for others who depart, if no page is made meanwhile: each commit is synced.
const partedDelay = 100 * time.Millisecond

// noteParted notes that somebody has departed whom the ledger has as present.
func (in *Instance) noteParted(now time.Time) {
	if in.parted.IsZero() {
		in.parted = now
		in.federator.meetings.wakeUp()
	}
}

// saveParted has the ledger know who departed, so that no page has to wait for that, and tells how long that still takes; 0: there is
// nobody, or it is on its way.
func (in *Instance) saveParted(now time.Time) time.Duration {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.parted.IsZero() || in.job.SweepInterval <= 0 {
		return 0
	}
	if wait := in.parted.Add(partedDelay).Sub(now); wait > 0 {
		return wait
	}
	in.parted = time.Time{}
	in.saveBeside(&keeping{ahead: true})
	return 0
}
