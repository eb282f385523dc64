package web

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"path"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	toolkit "github.com/prometheus/exporter-toolkit/web"
	"golang.org/x/sync/errgroup"

	"github.com/fedscrape/fedscrape/discovery"
	"github.com/fedscrape/fedscrape/federator"
)

// Federator is what the endpoints show.
type Federator interface {
	Prepare(ctx context.Context, job, instance string) (*federator.Page, error)
	Instances() []federator.InstanceStatus
	Workers(job string) ([]discovery.Worker, error)
	Known(job string) []discovery.InstanceID
	WorkerLabel(job string) string
	Final(ctx context.Context, final federator.Final) error
	Explain(job, instance, metric string, limit int) (*federator.Explanation, error)
	Forget(job, instance string) error
	Ready() error
}

// Options of a Server.
type Options struct {
	Logger    *slog.Logger
	Federator Federator
	Gatherer  prometheus.Gatherer // of the federator's own metrics

	ListenAddresses []string
	ConfigFile      string   // exporter-toolkit's: TLS and basic auth; may be empty
	ExternalURL     *url.URL // nil: as each request says
	EnableLifecycle bool
	Reload          func() error
}

const (
	shutdownTimeout = 2 * time.Second
	maxHeader       = 64 << 10
	// readTimeout is how long a request may take to arrive: a worker has a second to end in, final page and all.
	readTimeout = 10 * time.Second
	// writeTimeout is how long an answer may take to be read.
	writeTimeout = time.Minute
	// maxInFlight is more than a fleet of scrapers asks at once, and few enough for memory.
	maxInFlight = 1024
)

// Server serves all endpoints. Listen, then Serve.
type Server struct {
	options   Options
	prefix    string // as it stands in a link
	routes    http.Handler
	inFlight  chan struct{} // holds a token for each request under way
	listeners []net.Listener
}

// New makes a server that does not listen yet.
func New(o Options) (*Server, error) {
	if err := toolkit.Validate(o.ConfigFile); err != nil {
		return nil, fmt.Errorf("read the web configuration: %s: %w", o.ConfigFile, err)
	}
	s := &Server{options: o, inFlight: make(chan struct{}, maxInFlight)}
	if o.ExternalURL != nil {
		external := *o.ExternalURL
		external.Path, external.RawPath = path.Clean("/"+external.Path), ""
		s.options.ExternalURL = &external
		s.prefix = strings.TrimSuffix(external.EscapedPath(), "/")
	}
	s.routes = s.handler()
	return s, nil
}

// Listen opens the ports.
func (s *Server) Listen() error {
	for _, address := range s.options.ListenAddresses {
		l, err := net.Listen("tcp", address) //nolint:noctx // returns at once
		if err != nil {
			s.closeListeners()
			return fmt.Errorf("open a web port: %w; --web.listen-address takes another, as HOST:PORT or :PORT", err)
		}
		s.listeners = append(s.listeners, l)
	}
	return nil
}

func (s *Server) closeListeners() {
	for _, l := range s.listeners {
		_ = l.Close()
	}
}

// Addrs are the open ports' addresses.
func (s *Server) Addrs() []net.Addr {
	addrs := make([]net.Addr, len(s.listeners))
	for i, l := range s.listeners {
		addrs[i] = l.Addr()
	}
	return addrs
}

// Serve answers until the context ends, and then lets requests under way end, for two seconds at most.
func (s *Server) Serve(ctx context.Context) error {
	defer s.closeListeners()
	group, ctx := errgroup.WithContext(ctx)
	for _, l := range s.listeners {
		// A server each: exporter-toolkit wraps the server's handler for every port that it serves.
		server := s.server()
		group.Go(func() error {
			flags := &toolkit.FlagConfig{WebListenAddresses: &s.options.ListenAddresses, WebConfigFile: &s.options.ConfigFile}
			if err := toolkit.Serve(l, server, flags, s.options.Logger); !errors.Is(err, http.ErrServerClosed) {
				return fmt.Errorf("serve the web endpoints: %w", err)
			}
			return nil
		})
		group.Go(func() error {
			<-ctx.Done()
			stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownTimeout)
			defer cancel()
			if server.Shutdown(stop) != nil {
				_ = server.Close()
			}
			return nil
		})
	}
	return group.Wait()
}

// server bounds how long a client can hold a connection and what stands behind it, whether or not it is let in. Both
// timeouts begin with the request; merged, which waits for workers, sets its own.
func (s *Server) server() *http.Server {
	return &http.Server{
		Handler: s.routes, ReadTimeout: readTimeout, WriteTimeout: writeTimeout, IdleTimeout: 5 * time.Minute, MaxHeaderBytes: maxHeader,
		ErrorLog: slog.NewLogLogger(s.options.Logger.Handler(), slog.LevelWarn),
	}
}

// external is the URL by which others reach the federator: as configured, else as this request came.
func (s *Server) external(r *http.Request) *url.URL {
	if s.options.ExternalURL != nil {
		return s.options.ExternalURL
	}
	u := &url.URL{Scheme: "http", Host: r.Host}
	if r.TLS != nil {
		u.Scheme = "https"
	}
	return u
}

// link gives a path of ours as a page may link to it.
func (s *Server) link(p string) string { return path.Join("/", s.prefix, p) }

// refuse answers with one line of text.
func refuse(w http.ResponseWriter, status int, format string, args ...any) {
	http.Error(w, fmt.Sprintf(format, args...), status)
}
