package worker

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// maxInFlight bounds how many pages are made at once, so that scrapers do not crowd out the application.
const maxInFlight = 16

// server serves the endpoint until close.
type server struct {
	http     *http.Server
	listener net.Listener
	done     chan struct{}
}

func serve(ctx context.Context, host string, handler http.Handler) (*server, error) {
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "tcp", net.JoinHostPort(host, "0"))
	if err != nil {
		return nil, fmt.Errorf("serve the metrics: %w", err)
	}
	s := &server{
		http: &http.Server{
			Handler:           handler,
			ReadHeaderTimeout: 10 * time.Second,
			ReadTimeout:       10 * time.Second,
			WriteTimeout:      30 * time.Second, // a reader that drips holds its goroutine no longer
			IdleTimeout:       2 * time.Minute,
		},
		listener: listener,
		done:     make(chan struct{}),
	}
	go s.run()
	return s, nil
}

func (s *server) run() {
	defer close(s.done)
	_ = s.http.Serve(s.listener) // always http.ErrServerClosed: accept retries what can pass
}

func (s *server) port() int { return s.listener.Addr().(*net.TCPAddr).Port }

func (s *server) close() {
	_ = s.http.Close()
	<-s.done
}

// handler is what Register serves.
func (w *Worker) handler() http.Handler {
	page := w.options.Handler
	if page == nil {
		page = promhttp.HandlerFor(w.options.Gatherer, promhttp.HandlerOpts{
			EnableOpenMetrics:   true,
			MaxRequestsInFlight: maxInFlight,
		})
	}
	path := w.options.MetricsPath
	return w.Handler(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if r.URL.Path != path {
			http.Error(rw, "see "+path, http.StatusNotFound)
			return
		}
		page.ServeHTTP(rw, r)
	}))
}

// localAddress is the local address of the route to the agent: loopback where the agent is. Connecting a datagram
// socket sends nothing.
func localAddress(ctx context.Context, consul string) (string, error) {
	if strings.HasPrefix(consul, "unix://") {
		return "127.0.0.1", nil
	}
	if !strings.Contains(consul, "://") {
		consul = "http://" + consul
	}
	u, err := url.Parse(consul)
	if err != nil {
		return "", err
	}
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "udp", net.JoinHostPort(u.Hostname(), first(u.Port(), "80")))
	if err != nil {
		return "", err
	}
	defer func() { _ = conn.Close() }()
	return conn.LocalAddr().(*net.UDPAddr).IP.String(), nil
}
