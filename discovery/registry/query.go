package registry

import (
	"math/rand/v2"
	"net/http"
	"strconv"
	"time"
)

// Consul's bounds on how long a query blocks.
const (
	defaultWait = 5 * time.Minute
	maxWait     = 10 * time.Minute
	jitterPart  = 16
)

// query is a question that can block. Its functions are called with mu held.
type query struct {
	topic string
	index func() uint64
	body  func() any
}

// ask answers the query: at once without an index, else when its result's index is past the asked one, or when the
// time is over, or when the client or the registry goes.
func (s *Server) ask(r *http.Request, q query) (*response, error) {
	asked, wait, err := blockingParameters(r)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if asked > 0 && !s.closed && q.index() <= asked {
		if s.state.blocked >= s.opts.MaxBlocked {
			return nil, fail(http.StatusTooManyRequests, "%d blocked queries wait, the limit is %d: ask again later", s.state.blocked, s.opts.MaxBlocked)
		}
		s.inFlight.Add(1)
		defer s.inFlight.Done()
		s.block(r, q, asked, wait)
	}
	return &response{body: q.body(), index: q.index()}, nil
}

// block returns with mu held, as it was called.
func (s *Server) block(r *http.Request, q query, asked uint64, wait time.Duration) {
	timer := time.NewTimer(wait + rand.N(wait/jitterPart+1))
	defer timer.Stop()
	s.state.blocked++
	defer func() { s.state.blocked-- }()
	for over := false; !over && q.index() <= asked; {
		t := s.state.join(q.topic)
		s.mu.Unlock()
		select {
		case <-t.changed:
		case <-timer.C:
			over = true
		case <-r.Context().Done():
			over = true
		case <-s.done:
			over = true
		}
		s.mu.Lock()
		s.state.leave(q.topic, t)
	}
}

func blockingParameters(r *http.Request) (index uint64, wait time.Duration, err error) {
	query := r.URL.Query()
	if text := query.Get("index"); text != "" {
		if index, err = strconv.ParseUint(text, 10, 64); err != nil {
			return 0, 0, fail(http.StatusBadRequest, "Invalid index")
		}
	}
	if text := query.Get("wait"); text != "" {
		if wait, err = time.ParseDuration(text); err != nil {
			return 0, 0, fail(http.StatusBadRequest, "Invalid wait time")
		}
	}
	if query.Has("stale") && query.Has("consistent") {
		return 0, 0, fail(http.StatusBadRequest, "Cannot specify ?stale with ?consistent, conflicting semantics.")
	}
	if wait <= 0 {
		wait = defaultWait
	}
	return index, min(wait, maxWait), nil
}

// passingOnly reads ?passing: a bare one means yes.
func passingOnly(r *http.Request) (bool, error) {
	query := r.URL.Query()
	if !query.Has("passing") || query.Get("passing") == "" {
		return query.Has("passing"), nil
	}
	only, err := strconv.ParseBool(query.Get("passing"))
	if err != nil {
		return false, fail(http.StatusBadRequest, "Invalid value for ?passing")
	}
	return only, nil
}
