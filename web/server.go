package web

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"path"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	toolkit "github.com/prometheus/exporter-toolkit/web"

	"github.com/fedscrape/fedscrape/discovery"
	"github.com/fedscrape/fedscrape/federator"
)

// Federator is what the endpoints show.
type Federator interface {
	Gather(ctx context.Context, job, instance string) (*federator.Page, error)
	Instances() []federator.InstanceStatus
	Workers(job string) ([]discovery.Worker, error)
	Known(job string) []discovery.InstanceID
	WorkerLabel(job string) string
	Final(ctx context.Context, final federator.Final) error
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
)

// Server serves all endpoints. Listen, then Serve.
type Server struct {
	options   Options
	prefix    string
	listeners []net.Listener
	http      *http.Server
}

// New makes a server that does not listen yet.
func New(o Options) (*Server, error) {
	if err := toolkit.Validate(o.ConfigFile); err != nil {
		return nil, fmt.Errorf("read the web configuration: %s: %w", o.ConfigFile, err)
	}
	s := &Server{options: o}
	if o.ExternalURL != nil {
		s.prefix = strings.TrimRight(o.ExternalURL.Path, "/")
	}
	s.http = &http.Server{
		Handler: s.handler(), ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 5 * time.Minute, MaxHeaderBytes: maxHeader,
		ErrorLog: slog.NewLogLogger(o.Logger.Handler(), slog.LevelWarn),
	}
	return s, nil
}

// handler routes all endpoints, under the external URL's path.
func (s *Server) handler() http.Handler {
	mux := http.NewServeMux()
	route := func(pattern string, h http.HandlerFunc) {
		method, path, _ := strings.Cut(pattern, " ")
		mux.HandleFunc(method+" "+s.prefix+path, h)
	}
	route("GET /merged", s.merged)
	route("GET /sd/instances", s.sdInstances)
	route("GET /sd/workers", s.sdWorkers)
	route("PUT /api/v1/final", s.final)
	route("GET /api/v1/instances", s.apiInstances)
	route("GET /api/", apiUnknown)
	route("GET /metrics", promhttp.HandlerFor(s.options.Gatherer, promhttp.HandlerOpts{
		ErrorLog: slog.NewLogLogger(s.options.Logger.Handler(), slog.LevelError), EnableOpenMetrics: true,
	}).ServeHTTP)
	route("GET /-/healthy", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "fedscrape is healthy.\n") })
	route("GET /-/ready", s.ready)
	route("POST /-/reload", s.reload)
	route("PUT /-/reload", s.reload)
	route("GET /{$}", s.page)
	if s.prefix != "" {
		mux.Handle("GET /{$}", http.RedirectHandler(s.prefix+"/", http.StatusFound))
	}
	return mux
}

// Listen opens the ports.
func (s *Server) Listen() error {
	for _, address := range s.options.ListenAddresses {
		l, err := net.Listen("tcp", address) //nolint:noctx // returns at once
		if err != nil {
			s.closeListeners()
			return fmt.Errorf("open a web port: %w", err)
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
	ended := make(chan error, 1)
	go func() {
		flags := &toolkit.FlagConfig{WebListenAddresses: &s.options.ListenAddresses, WebConfigFile: &s.options.ConfigFile}
		ended <- toolkit.ServeMultiple(s.listeners, s.http, flags, s.options.Logger)
	}()
	select {
	case err := <-ended:
		s.closeListeners()
		return fmt.Errorf("serve the web endpoints: %w", err)
	case <-ctx.Done():
	}
	stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownTimeout)
	defer cancel()
	if err := s.http.Shutdown(stop); err != nil {
		_ = s.http.Close()
	}
	if err := <-ended; err != nil && !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve the web endpoints: %w", err)
	}
	return nil
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
