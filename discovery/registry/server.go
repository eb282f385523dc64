package registry

import (
	"context"
	"net/http"
	"sync"
)

// Server is a registry. It may be used concurrently.
type Server struct {
	opts   Options
	nodeID string

	mu       sync.Mutex
	state    *state
	closed   bool
	inFlight sync.WaitGroup // blocked queries, probes and run; added to under mu while not closed

	wake chan struct{} // a check's deadline may now be the earliest
	done chan struct{} // closed by Close
	// life is what checks ask under; Close ends it.
	life context.Context
	end  context.CancelFunc

	clients clients
}

// New starts a registry. Close stops it.
func New(opts Options) *Server {
	opts = opts.withDefaults()
	s := &Server{
		opts: opts, nodeID: nodeID(opts.Node), state: newState(),
		wake: make(chan struct{}, 1), done: make(chan struct{}), clients: clients{limit: opts.MaxConnsPerClient, open: map[string]int{}},
	}
	s.life, s.end = context.WithCancel(context.Background())
	s.inFlight.Go(s.run)
	return s
}

// Close stops the TTL clock and the checks, has blocked queries return, and waits for all. Later requests are answered with 503.
func (s *Server) Close() {
	s.mu.Lock()
	if !s.closed {
		s.closed = true
		close(s.done)
		s.end()
	}
	s.mu.Unlock()
	s.inFlight.Wait()
}

// Handler serves the API.
func (s *Server) Handler() http.Handler {
	return http.HandlerFunc(s.serve)
}

// handler answers one request; arg is the rest of the path behind the route's prefix, unescaped. IDs may hold
// slashes, so it may, too.
type handler func(s *Server, r *http.Request, arg string) (*response, error)

type route struct {
	path   string // with a final slash: a prefix
	method string
	handle handler
}

func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	answering := limitTimes(w, r)
	if s.clients.refuse(w, r) {
		return
	}
	rt, arg, ok := findRoute(r.URL.Path)
	if !ok {
		writeNotFound(w, r.URL.Path)
		return
	}
	if r.Method != rt.method {
		refuseMethod(w, r, rt.method)
		return
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxBody)
	resp, err := s.dispatch(rt, r, arg)
	answering()
	if err != nil {
		writeError(w, err)
		return
	}
	resp.write(w, r)
}

func writeNotFound(w http.ResponseWriter, path string) {
	if part, ok := servedElsewhere(path); ok {
		writeText(w, http.StatusNotImplemented, part+" is not served by fedscrape's embedded registry: use a real Consul\n")
		return
	}
	writeText(w, http.StatusNotFound, "Invalid URL path: not a recognized HTTP API endpoint\n")
}

func (s *Server) dispatch(rt route, r *http.Request, arg string) (*response, error) {
	if err := s.checkScope(r); err != nil {
		return nil, err
	}
	return rt.handle(s, r, arg)
}

// checkScope refuses what only Consul Enterprise or another datacenter could answer.
func (s *Server) checkScope(r *http.Request) error {
	select {
	case <-s.done:
		return fail(http.StatusServiceUnavailable, "the registry is closed")
	default:
	}
	query := r.URL.Query()
	for _, scope := range [...]struct{ parameter, feature string }{{"ns", "Namespaces"}, {"partition", "Partitions"}} {
		if query.Get(scope.parameter) != "" {
			return fail(http.StatusBadRequest, "Invalid query parameter: %q - %s are a Consul Enterprise feature", scope.parameter, scope.feature)
		}
	}
	if dc := query.Get("dc"); dc != "" && dc != s.opts.Datacenter && r.Method == http.MethodGet {
		return fail(http.StatusInternalServerError, "No path to datacenter")
	}
	return nil
}

// refuseMethod answers OPTIONS, and 405 to every other method but the route's own.
func refuseMethod(w http.ResponseWriter, r *http.Request, allowed string) {
	w.Header().Set("Allow", "OPTIONS,"+allowed)
	if r.Method == http.MethodOptions {
		w.Header().Set("Content-Type", "application/json; charset=utf-8")
		return
	}
	writeText(w, http.StatusMethodNotAllowed, "method "+r.Method+" not allowed")
}
