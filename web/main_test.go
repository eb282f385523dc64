package web

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"github.com/fedscrape/fedscrape/discovery"
	"github.com/fedscrape/fedscrape/exposition"
	"github.com/fedscrape/fedscrape/federator"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fakeFederator answers as each test says; what is nil answers with nothing.
type fakeFederator struct {
	gather    func(ctx context.Context, job, instance string) (*federator.Page, error)
	instances []federator.InstanceStatus
	workers   []discovery.Worker
	known     []discovery.InstanceID
	final     func(federator.Final) error
	explain   func(job, instance, metric string, limit int) (*federator.Explanation, error)
	forget    func(job, instance string) error
	notYet    error // of service discovery
	notReady  error

	mu        sync.Mutex
	askedJobs []string // by Workers and Known
}

func (f *fakeFederator) Prepare(ctx context.Context, job, instance string) (*federator.Page, error) {
	return f.gather(ctx, job, instance)
}

func (f *fakeFederator) Instances() []federator.InstanceStatus { return f.instances }

func (f *fakeFederator) Workers(job string) ([]discovery.Worker, error) {
	f.asked(job)
	return f.workers, f.notYet
}

func (f *fakeFederator) Known(job string) []discovery.InstanceID {
	f.asked(job)
	return f.known
}

func (f *fakeFederator) asked(job string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.askedJobs = append(f.askedJobs, job)
}

func (f *fakeFederator) WorkerLabel(job string) string { return "worker_of_" + job }

func (f *fakeFederator) Final(_ context.Context, final federator.Final) error { return f.final(final) }

func (f *fakeFederator) Explain(job, instance, metric string, limit int) (*federator.Explanation, error) {
	return f.explain(job, instance, metric, limit)
}

func (f *fakeFederator) Forget(job, instance string) error { return f.forget(job, instance) }

func (f *fakeFederator) Ready() error { return f.notReady }

// newServer makes a server with a logger and a gatherer where the test has none.
func newServer(t *testing.T, o Options) *Server {
	t.Helper()
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Gatherer == nil {
		o.Gatherer = prometheus.NewRegistry()
	}
	if o.Federator == nil {
		o.Federator = &fakeFederator{}
	}
	s, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// ask sends one request to the routes, without a network. header has names and values in turn.
func ask(t *testing.T, o Options, method, target string, header ...string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), method, target, nil)
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	newServer(t, o).routes.ServeHTTP(w, r)
	return w
}

// wantText checks status, media type and the whole text of an answer.
func wantText(t *testing.T, w *httptest.ResponseRecorder, status int, text string) {
	t.Helper()
	if w.Code != status || w.Body.String() != text {
		t.Errorf("got %d %q, want %d %q", w.Code, w.Body, status, text)
	}
	if got := w.Header().Get("Content-Type"); !strings.HasPrefix(got, "text/plain; charset=utf-8") {
		t.Errorf("Content-Type is %q", got)
	}
}

// running is a server on loopback ports.
type running struct {
	*Server
	cancel context.CancelFunc
	ended  chan error
}

// start serves on ports of the system's choice until the test ends or stop.
func start(t *testing.T, o Options) *running {
	t.Helper()
	if o.ListenAddresses == nil {
		o.ListenAddresses = []string{"127.0.0.1:0"}
	}
	s := &running{Server: newServer(t, o), ended: make(chan error, 1)}
	if err := s.Listen(); err != nil {
		t.Fatal(err)
	}
	var ctx context.Context
	ctx, s.cancel = context.WithCancel(context.Background()) // t.Context ends before the cleanup
	go func() { s.ended <- s.Serve(ctx) }()
	t.Cleanup(func() {
		s.cancel()
		if err := <-s.ended; err != nil {
			t.Errorf("serve: %v", err)
		}
	})
	return s
}

// url gives a path's URL on the i-th port.
func (s *running) url(i int, scheme, path string) string {
	u := url.URL{Scheme: scheme, Host: s.Addrs()[i].String()}
	return u.String() + path
}

// get gives status and body.
func get(t *testing.T, client *http.Client, url string, edit func(*http.Request)) (int, string) {
	t.Helper()
	defer client.CloseIdleConnections()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	if edit != nil {
		edit(r)
	}
	resp, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

// onePage is a page with one counter.
func onePage(context.Context, string, string) (*federator.Page, error) {
	return &federator.Page{Families: []exposition.Filled{exposition.Fill(&exposition.Family{
		Name: "reqs_total", Type: exposition.Counter, Help: "Requests.",
		Series: []exposition.Series{{Labels: exposition.Labels{{Name: "view", Value: "fire"}}, Value: 30}},
	})}}, nil
}

// capture gives a logger and what it has logged.
func capture() (*slog.Logger, *bytes.Buffer) {
	var out bytes.Buffer
	return slog.New(slog.NewTextHandler(&out, nil)), &out
}
