package registry

import (
	"net/http"
	"strings"
	"sync"
)

// Server is a registry. It may be used concurrently.
type Server struct {
	opts   Options
	nodeID string

	mu       sync.Mutex
	state    *state
	closed   bool
	inFlight sync.WaitGroup // blocked queries and run; added to under mu while not closed

	wake chan struct{} // a check's deadline may now be the earliest
	done chan struct{} // closed by Close
}

// New starts a registry. Close stops it.
func New(opts Options) *Server {
	opts = opts.withDefaults()
	s := &Server{
		opts: opts, nodeID: nodeID(opts.Node), state: newState(),
		wake: make(chan struct{}, 1), done: make(chan struct{}),
	}
	s.inFlight.Go(s.run)
	return s
}

// Close stops the TTL clock, has blocked queries return, and waits for both. Later requests are answered with 503.
func (s *Server) Close() {
	s.mu.Lock()
	if !s.closed {
		s.closed = true
		close(s.done)
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

// routes is searched by hand: http.ServeMux would clean IDs such as "a//b" out of the path.
var routes = []route{
	{"/v1/agent/service/register", http.MethodPut, (*Server).registerService},
	{"/v1/agent/service/deregister/", http.MethodPut, (*Server).deregisterService},
	{"/v1/agent/check/pass/", http.MethodPut, heartbeat(passing)},
	{"/v1/agent/check/warn/", http.MethodPut, heartbeat(warning)},
	{"/v1/agent/check/fail/", http.MethodPut, heartbeat(critical)},
	{"/v1/agent/check/update/", http.MethodPut, (*Server).updateCheck},
	{"/v1/agent/services", http.MethodGet, (*Server).agentServices},
	{"/v1/agent/service/", http.MethodGet, (*Server).agentService},
	{"/v1/agent/checks", http.MethodGet, (*Server).agentChecks},
	{"/v1/agent/self", http.MethodGet, (*Server).agentSelf},
	{"/v1/status/leader", http.MethodGet, (*Server).leader},
	{"/v1/health/service/", http.MethodGet, (*Server).healthService},
	{"/v1/health/node/", http.MethodGet, (*Server).healthNode},
	{"/v1/catalog/services", http.MethodGet, (*Server).catalogServices},
	{"/v1/catalog/service/", http.MethodGet, (*Server).catalogService},
	{"/v1/catalog/node/", http.MethodGet, (*Server).catalogNode},
	{"/v1/catalog/node-services/", http.MethodGet, (*Server).catalogNodeServices},
}

func findRoute(path string) (route, string, bool) {
	for _, rt := range routes {
		if arg, ok := strings.CutPrefix(path, rt.path); ok && (arg == "" || strings.HasSuffix(rt.path, "/")) {
			return rt, arg, true
		}
	}
	return route{}, "", false
}

func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	rt, arg, ok := findRoute(r.URL.Path)
	if !ok {
		writeText(w, http.StatusNotFound, "Invalid URL path: not a recognized HTTP API endpoint\n")
		return
	}
	if r.Method != rt.method {
		refuseMethod(w, r, rt.method)
		return
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxBody)
	resp, err := s.dispatch(rt, r, arg)
	if err != nil {
		writeError(w, err)
		return
	}
	resp.write(w, r)
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
