package registry

import (
	"container/heap"
	"time"
)

// clock holds the checks whose TTL runs, the one that ends first on top. One timer serves them all.
type clock struct{ checks deadlines }

// add takes a check in, or moves it to its new deadline.
func (k *clock) add(c *check) {
	if c.slot >= 0 {
		heap.Fix(&k.checks, c.slot)
		return
	}
	heap.Push(&k.checks, c)
}

func (k *clock) remove(c *check) {
	if c.slot >= 0 {
		heap.Remove(&k.checks, c.slot)
	}
}

// due takes out a check whose TTL has ended; nil where there is none.
func (k *clock) due(now time.Time) *check {
	if len(k.checks) == 0 || k.checks[0].deadline.After(now) {
		return nil
	}
	return heap.Pop(&k.checks).(*check) //nolint:forcetypeassert // the heap's only type
}

// deadlines implements heap.Interface.
type deadlines []*check

func (d deadlines) Len() int           { return len(d) }
func (d deadlines) Less(i, j int) bool { return d[i].deadline.Before(d[j].deadline) }

func (d deadlines) Swap(i, j int) {
	d[i], d[j] = d[j], d[i]
	d[i].slot, d[j].slot = i, j
}

func (d *deadlines) Push(x any) {
	c := x.(*check) //nolint:forcetypeassert // the heap's only type
	c.slot = len(*d)
	*d = append(*d, c)
}

func (d *deadlines) Pop() any {
	last := len(*d) - 1
	c := (*d)[last]
	(*d)[last] = nil // or the array would keep a check that is gone alive
	*d = (*d)[:last]
	c.slot = -1
	return c
}

// run lets TTLs end and removes what was critical for too long, until Close.
func (s *Server) run() {
	reaper := time.NewTicker(s.opts.ReapInterval)
	defer reaper.Stop()
	expiry := time.NewTimer(0)
	defer expiry.Stop()
	for {
		select {
		case <-s.done:
			return
		case <-reaper.C:
			s.reap(time.Now())
		case <-s.wake:
			expiry.Reset(s.expire(time.Now()))
		case <-expiry.C:
			expiry.Reset(s.expire(time.Now()))
		}
	}
}

// wakeClock has run look at the deadlines again. Who calls it holds mu.
func (s *Server) wakeClock() {
	// A deadline that moves away needs no look: the timer rings early, finds nothing, and is set anew. Only a check
	// that is now the first may need an earlier timer.
	checks := s.state.clock.checks
	if len(checks) == 0 || checks[0] == s.state.clockHead {
		return
	}
	s.state.clockHead = checks[0]
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// idle is the timer's wait while no TTL runs; a registration wakes it.
const idle = time.Hour

// expire turns critical whose TTL has ended, and says when to look again.
func (s *Server) expire(now time.Time) time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := s.state
	for c := st.clock.due(now); c != nil; c = st.clock.due(now) {
		st.setStatus(c, critical, expiryText(c.lastNote), now)
	}
	st.clockHead = nil
	if len(st.clock.checks) == 0 {
		return idle
	}
	st.clockHead = st.clock.checks[0]
	return st.clockHead.deadline.Sub(now)
}

func expiryText(lastNote string) string {
	if lastNote == "" {
		return "TTL expired"
	}
	return "TTL expired (last output before timeout follows): " + lastNote
}

// reap removes services that have been critical for longer than they allow.
func (s *Server) reap(now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	overdue := map[*service]bool{}
	for _, c := range s.state.checks {
		if c.deregisterAfter > 0 && !c.criticalSince.IsZero() && now.Sub(c.criticalSince) > c.deregisterAfter {
			overdue[c.service] = true
		}
	}
	for svc := range overdue {
		s.state.index++
		s.state.remove(svc)
	}
}
