package federator

import (
	"sync"
	"time"
)

// A worker that has come is asked at once, beside rounds: its connection is open and its lines are known when the next page
// asks it, which after a deploy would take several times as long else. So is one whose registration has gone: while it ends
// it may still tell what it counted since the last page. Where that fails it says nothing of the worker, which may be about
// to listen: the next round asks again. Only who refuses and is not registered any more departs.

// maxMeetings is how many workers are asked at once that no round asks.
const maxMeetings = 64

// meetings are who is to be asked beside rounds.
type meetings struct {
	wake chan struct{} // has room for one: somebody is to be asked

	mu      sync.Mutex
	open    bool // somebody looks
	waiting []meeting
	running int
}

type meeting struct {
	in *Instance
	m  *member
}

func newMeetings() meetings { return meetings{wake: make(chan struct{}, 1)} }

// wakeUp has Run look who is to be asked.
func (s *meetings) wakeUp() {
	select {
	case s.wake <- struct{}{}:
	default: // it is to look anyway
	}
}

func (s *meetings) add(in *Instance, m *member) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.open {
		m.meets = true
		in.meetings++
		s.waiting = append(s.waiting, meeting{in, m})
		s.wakeUp()
	}
}

// start has who comes and goes be asked from now on.
func (s *meetings) start() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.open = true
}

// begin gives the next one, for whom end is to be called; false where there is none, or enough are under way.
func (s *meetings) begin() (next meeting, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.waiting) == 0 || s.running == maxMeetings {
		return meeting{}, false
	}
	next, s.waiting = s.waiting[0], s.waiting[1:]
	s.running++
	return next, true
}

func (s *meetings) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.running--
}

// meet asks as many as may be asked at once.
func (f *Federator) meet() {
	for next, ok := f.meetings.begin(); ok; next, ok = f.meetings.begin() {
		if !next.in.meet(next.m) {
			next.in.endMeeting()
		}
	}
}

// endMeeting is the end of one. What departed is saved after the last one, so that no page has to wait for it.
func (in *Instance) endMeeting() {
	in.mu.Lock()
	in.meetings--
	save := in.meetings == 0 && in.parted
	in.parted = in.parted && !save
	in.mu.Unlock()
	if save {
		in.saveBeside(&keeping{ahead: true})
	}
	in.federator.meetings.end()
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
func (in *Instance) meet(m *member) bool {
	in.mu.Lock()
	defer in.mu.Unlock()
	m.meets = false
	if in.members[m.worker.Key] != m || m.fetch != nil || m.superseded || m.handsIn || !m.lastTry.Before(m.changed) {
		return false
	}
	in.startFetch(m)
	m.fetch.met = true
	return true
}
