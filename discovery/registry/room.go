package registry

import "net/http"

// room refuses what would not fit. What is registered can always be registered again. Who calls it holds mu.
func (s *Server) room(svc *service, checks []*check, replaceChecks bool) error {
	old := s.state.services[svc.ID]
	if n := len(s.state.services); old == nil && n >= s.opts.MaxServices {
		return fail(http.StatusTooManyRequests, "registry full: %d services, the limit is %d: deregister some", n, s.opts.MaxServices)
	}
	more := svc.size
	if old != nil {
		more -= old.size
	}
	return s.roomForChecks(old, checks, replaceChecks, more)
}

// roomForChecks is room for the checks of a service, and for what the service itself takes more than now.
func (s *Server) roomForChecks(svc *service, checks []*check, replaceChecks bool, more int64) error {
	st, probes := s.state, 0
	ids := map[string]bool{}
	for _, c := range checks {
		ids[c.id] = true
		old := st.checks[c.id]
		if more += c.size; old != nil {
			more -= old.size
		}
		if c.probe != nil && (old == nil || old.prober == nil) {
			probes++
		}
	}
	if len(checks) > maxChecksPerService {
		return fail(http.StatusBadRequest, "Invalid check: %d checks, the limit is %d for a service", len(checks), maxChecksPerService)
	}
	if svc != nil && !replaceChecks && countMore(ids, svc.checks) > maxChecksPerService {
		return fail(http.StatusBadRequest, "Invalid check: more than %d checks for one service, with those it has; use ?replace-existing-checks", maxChecksPerService)
	}
	if probes > 0 && st.probers+probes > s.opts.MaxProbes {
		return fail(http.StatusTooManyRequests, "registry full: %d HTTP and TCP checks, the limit is %d: deregister some, or use TTL checks", st.probers, s.opts.MaxProbes)
	}
	if more > 0 && st.bytes+more > s.opts.MaxBytes {
		return fail(http.StatusTooManyRequests, "registry full: registrations of %d bytes, the limit is %d: deregister some", st.bytes, s.opts.MaxBytes)
	}
	return nil
}

// countMore is how many checks there are with those that come.
func countMore(ids map[string]bool, have map[string]*check) int {
	n := len(ids)
	for id := range have {
		if !ids[id] {
			n++
		}
	}
	return n
}
