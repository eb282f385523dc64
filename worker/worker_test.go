package worker

import (
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

// What is tested of the budget holds for any; slack is what a busy machine may add to it, less than the share of the federator.
const (
	testBudget = 4 * time.Second
	slack      = 2 * time.Second
)

var ownBudget = budget // before TestMain

func TestBudgetIsASecond(t *testing.T) {
	if ownBudget != time.Second {
		t.Errorf("Register and Close take %v at most", ownBudget)
	}
}

func newRegistry(t *testing.T) *prometheus.Registry {
	t.Helper()
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	counter := prometheus.NewCounter(prometheus.CounterOpts{Name: "reqs_total", Help: "Requests."})
	counter.Add(7)
	registry.MustRegister(counter)
	return registry
}

func register(t *testing.T, o Options) *Worker {
	t.Helper()
	o.Logger = slog.New(slog.DiscardHandler)
	w, err := Register(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = w.Close() })
	return w
}

func get(t *testing.T, url string) (status int, header http.Header, body string) {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	page, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, resp.Header, string(page)
}

func TestRegistrationHasTheFieldsOfTheTable(t *testing.T) {
	p := newPeer(t, nil)
	t.Setenv("CONSUL_HTTP_TOKEN", "secret")
	w := register(t, Options{Job: "webapp", Instance: "web1:8000", Gatherer: newRegistry(t)})
	c := p.next(t, "register")
	r := c.registration(t)
	host, _ := os.Hostname()
	pid := strconv.Itoa(os.Getpid())
	if prefix := "webapp-" + host + "-" + pid + "-"; !strings.HasPrefix(r.ID, prefix) || len(r.ID) != len(prefix)+8 {
		t.Errorf("ID %q, want %s and 8 hex digits", r.ID, prefix)
	}
	if r.ID != w.ServiceID() || r.Name != "webapp" || !slices.Equal(r.Tags, []string{"fedscrape"}) {
		t.Errorf("registration %+v", r)
	}
	if r.Address != "127.0.0.1" || w.Addr() != net.JoinHostPort(r.Address, strconv.Itoa(r.Port)) {
		t.Errorf("address %s port %d, want loopback as the agent and that of %s", r.Address, r.Port, w.Addr())
	}
	for key, want := range map[string]string{
		"instance": "web1:8000", "worker_id": "0", "pid": pid, "metrics_path": "/metrics", "scheme": "http",
		"start_time": formatSeconds(w.startTime),
	} {
		if r.Meta[key] != want {
			t.Errorf("meta %s is %q, want %q", key, r.Meta[key], want)
		}
	}
	if r.Check.TTL != "15s" || r.Check.Status != "passing" || r.Check.DeregisterCriticalServiceAfter != "1m" {
		t.Errorf("check %+v", r.Check)
	}
	if got := c.header.Get("X-Consul-Token"); got != "secret" {
		t.Errorf("token %q", got)
	}
}

func TestPageSaysWhoAnswers(t *testing.T) {
	newPeer(t, nil)
	w := register(t, Options{Job: "webapp", Gatherer: newRegistry(t)})
	_, header, body := get(t, "http://"+w.Addr()+"/metrics")
	if header.Get("X-Fedscrape-Worker") != w.ServiceID() {
		t.Errorf("header X-Fedscrape-Worker %q", header.Get("X-Fedscrape-Worker"))
	}
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	onPage := families["process_start_time_seconds"].GetMetric()[0].GetGauge().GetValue()
	inHeader, err := strconv.ParseFloat(header.Get("X-Fedscrape-Start"), 64)
	if err != nil || inHeader != onPage {
		t.Errorf("header X-Fedscrape-Start %v (%v), the page says %v", inHeader, err, onPage)
	}
	if status, _, _ := get(t, "http://"+w.Addr()+"/other"); status != http.StatusNotFound {
		t.Errorf("/other: %d", status)
	}
}

func TestHeartbeatAndRegistrationAfterTheAgentForgot(t *testing.T) {
	p := newPeer(t, nil)
	register(t, Options{Job: "webapp", Gatherer: newRegistry(t), TTL: 60 * time.Millisecond})
	first := p.next(t, "register").registration(t)
	p.next(t, "pass")
	p.next(t, "pass")
	p.script(func(what string) int {
		if what == "pass" {
			p.script(nil)
			return http.StatusNotFound
		}
		return 0
	})
	if again := p.await(t, "register").registration(t); again.ID != first.ID {
		t.Errorf("registered again as %s, was %s", again.ID, first.ID)
	}
	p.next(t, "pass")
}

func TestHeartbeatSurvivesAnAgentInTrouble(t *testing.T) {
	p := newPeer(t, nil)
	register(t, Options{Job: "webapp", Gatherer: newRegistry(t), TTL: 60 * time.Millisecond})
	p.next(t, "register")
	p.script(func(string) int { return http.StatusInternalServerError })
	p.next(t, "pass")
	p.next(t, "pass")
	p.next(t, "pass") // never register: it is still known, and 500 workers at once would bury the agent
}

func TestRegisterGoesOnInTheBackground(t *testing.T) {
	for name, status := range map[string]int{"hangs": hang, "fails": http.StatusInternalServerError} {
		t.Run(name, func(t *testing.T) {
			p := newPeer(t, func(string) int { return status })
			begin := time.Now()
			register(t, Options{Job: "webapp", Gatherer: newRegistry(t), TTL: 24 * time.Second})
			if took := time.Since(begin); took > budget+slack {
				t.Errorf("Register took %s", took)
			}
			p.next(t, "register")
			p.script(nil)
			p.next(t, "register")
		})
	}
}

func TestCloseHandsInTheFinalSnapshotThenDeregisters(t *testing.T) {
	p := newPeer(t, nil)
	w := register(t, Options{Job: "webapp", Instance: "a&b", Gatherer: newRegistry(t), FederatorURL: p.URL + "/"})
	p.next(t, "register")
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	final := p.next(t, "final")
	if final.query != "instance=a%26b&job=webapp" || final.header.Get("X-Fedscrape-Worker") != w.ServiceID() ||
		final.header.Get("X-Fedscrape-Start") != formatSeconds(w.startTime) {
		t.Errorf("query %s header %v", final.query, final.header)
	}
	page := string(final.body)
	if !strings.HasPrefix(final.header.Get("Content-Type"), "application/openmetrics-text; version=1.0.0") ||
		!strings.Contains(page, "\nreqs_total 7.0\n") || !strings.HasSuffix(page, "# EOF\n") {
		t.Errorf("final page as %s:\n%s", final.header.Get("Content-Type"), page)
	}
	p.next(t, "deregister")
	_ = w.Close()
	if rest := p.rest(); rest != nil {
		t.Errorf("after Close: %v", rest)
	}
	if conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", w.Addr()); err == nil {
		_ = conn.Close()
		t.Error("the endpoint is still open")
	}
}

func TestCloseTakesOneSecondWhateverHangs(t *testing.T) {
	for name, hangs := range map[string][]string{
		"agent":     {"deregister", "pass"},
		"federator": {"final"},
		"both":      {"final", "deregister", "pass"},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPeer(t, nil)
			w := register(t, Options{
				Job: "webapp", Gatherer: newRegistry(t), FederatorURL: p.URL, TTL: 60 * time.Millisecond,
			})
			p.script(func(what string) int {
				if slices.Contains(hangs, what) {
					return hang
				}
				return 0
			})
			begin := time.Now()
			err := w.Close()
			if took := time.Since(begin); err == nil || took > budget+slack {
				t.Errorf("Close took %s and says %v", took, err)
			}
			if rest := p.rest(); !slices.Equal(rest, []string{"register", "final", "deregister"}) {
				t.Errorf("calls %v", rest)
			}
		})
	}
}

// stuck is a Gatherer that hangs until released.
type stuck chan struct{}

func (s stuck) Describe(chan<- *prometheus.Desc) {}
func (s stuck) Collect(chan<- prometheus.Metric) { <-s }

func TestCloseIsNotHeldUpByACollector(t *testing.T) {
	p := newPeer(t, nil)
	registry, s := newRegistry(t), make(stuck)
	registry.MustRegister(s)
	w := register(t, Options{Job: "webapp", Gatherer: registry, FederatorURL: p.URL})
	begin := time.Now()
	err := w.Close()
	if took := time.Since(begin); err == nil || took > budget+slack {
		t.Errorf("Close took %s and says %v", took, err)
	}
	close(s)
	if rest := p.rest(); !slices.Equal(rest, []string{"register", "deregister"}) {
		t.Errorf("calls %v", rest)
	}
}

func TestFinalWaitsForAFederatorThatStarts(t *testing.T) {
	p := newPeer(t, nil)
	w := register(t, Options{Job: "webapp", Gatherer: newRegistry(t), FederatorURL: p.URL})
	p.next(t, "register")
	p.script(func(string) int {
		p.script(nil)
		return http.StatusServiceUnavailable
	})
	if err := w.Final(t.Context()); err != nil {
		t.Fatal(err)
	}
	p.next(t, "final")
	p.next(t, "final")
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	p.next(t, "deregister") // the final snapshot is not handed in twice
}

func TestFinalWaitsForAFederatorThatRestarts(t *testing.T) {
	p := newPeer(t, nil)
	away, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := away.Addr().String()
	_ = away.Close()
	w := register(t, Options{Job: "webapp", Gatherer: newRegistry(t), FederatorURL: "http://" + addr})
	p.next(t, "register")
	if err := w.Final(t.Context()); err == nil {
		t.Error("without a deadline it waited")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	taken := make(chan error, 1)
	go func() { taken <- w.Final(ctx) }()
	back := listenAgain(t, addr)
	conn, err := back.Accept() // it breaks off once more
	if err != nil {
		t.Fatal(err)
	}
	_ = conn.Close()
	server := &http.Server{Handler: p.Config.Handler, ReadHeaderTimeout: time.Minute}
	go func() { _ = server.Serve(back) }()
	t.Cleanup(func() { _ = server.Close() })
	if err := <-taken; err != nil {
		t.Fatal(err)
	}
	p.next(t, "final")
	_ = w.Close()
}

// listenAgain opens a port that was closed a moment ago.
func listenAgain(t *testing.T, addr string) net.Listener {
	t.Helper()
	listener, err := net.Listen("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	return listener
}

func TestFinalSaysWhyItWasNotTaken(t *testing.T) {
	p := newPeer(t, func(what string) int {
		if what == "final" {
			return http.StatusRequestEntityTooLarge
		}
		return 0
	})
	w := register(t, Options{Job: "webapp", Gatherer: newRegistry(t), FederatorURL: p.URL})
	err := w.Final(t.Context())
	if err == nil || !strings.Contains(err.Error(), "the federator answers 413: scripted") {
		t.Errorf("Final says %v", err)
	}
}

func TestForeignPort(t *testing.T) {
	p := newPeer(t, nil)
	started := time.Unix(1795236300, 560e6)
	w := register(t, Options{
		Job: "node", Port: 4321, Address: "10.1.2.3", Scheme: "https", MetricsPath: "/stats", WorkerID: "w7",
		PID: 77, StartTime: started, FederatorURL: p.URL,
	})
	r := p.next(t, "register").registration(t)
	if r.Address != "10.1.2.3" || r.Port != 4321 || r.Meta["scheme"] != "https" || r.Meta["metrics_path"] != "/stats" ||
		r.Meta["worker_id"] != "w7" || r.Meta["pid"] != "77" || r.Meta["start_time"] != "1795236300.56" {
		t.Errorf("registration %+v", r)
	}
	if err := w.FinalPage(t.Context(), "text/plain", []byte("x 1\n")); err != nil {
		t.Fatal(err)
	}
	if final := p.next(t, "final"); string(final.body) != "x 1\n" || final.header.Get("Content-Type") != "text/plain" {
		t.Errorf("final %s %v", final.body, final.header)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	p.next(t, "deregister")
}

func TestRegisterRefuses(t *testing.T) {
	newPeer(t, nil)
	registry := newRegistry(t)
	for want, o := range map[string]Options{
		"no job":                  {Gatherer: registry},
		"nothing to register":     {Job: "j"},
		"is the wildcard":         {Job: "j", Gatherer: registry, Address: "0.0.0.0"},
		"is not between":          {Job: "j", Port: 70000},
		"is not like http":        {Job: "j", Gatherer: registry, FederatorURL: "localhost:9390"},
		"serve the metrics":       {Job: "j", Gatherer: registry, Address: "192.0.2.1"},
		"set Options.StartTime":   {Job: "j", Port: 1, PID: 1 << 30},
		"route to the agent":      {Job: "j", Gatherer: registry, Consul: "nowhere.invalid:8500"},
		"negative TTL":            {Job: "j", Gatherer: registry, TTL: -1},
		"set up the agent's clie": {Job: "j", Gatherer: registry, Consul: "ftp://127.0.0.1:1"},
		"neither http nor https":  {Job: "j", Port: 1, Scheme: "ftp"},
	} {
		w, err := Register(t.Context(), o)
		if err == nil {
			_ = w.Close()
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want one with %q", err, want)
		}
	}
}

// Options are judged without a registration, and what is wrong is said without a password.
func TestValidate(t *testing.T) {
	p := newPeer(t, nil)
	t.Setenv("FEDSCRAPE_JOB", "j")
	for want, o := range map[string]Options{
		"":                        {Port: 1},
		"nothing to register":     {},
		"neither http nor https":  {Port: 1, Scheme: "HTTP"},
		"is the wildcard":         {Port: 1, Address: "::"},
		"set up the agent's clie": {Port: 1, Consul: "ftp://127.0.0.1:1"},
		"is not like http":        {Port: 1, FederatorURL: "http://alice:sec%ret@host:9390"},
		"not like http":           {Port: 1, FederatorURL: "ftp://alice:sec%20ret@host"},
	} {
		err := o.Validate()
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "sec")) {
			t.Errorf("error %v, want %q", err, want)
		}
	}
	if len(p.calls) > 0 {
		t.Error("the agent was asked")
	}
}

func TestRegisterEndsWithItsContext(t *testing.T) {
	p := newPeer(t, func(what string) int {
		if what == "register" {
			return hang
		}
		return 0
	})
	ctx, cancel := context.WithCancel(t.Context())
	go func() { // ends with the registration's arrival
		<-p.calls
		cancel()
	}()
	if _, err := Register(ctx, Options{Job: "webapp", Gatherer: newRegistry(t)}); err == nil {
		t.Error("Register gives no error")
	}
}

func TestDisabledWorkerDoesNothing(t *testing.T) {
	p := newPeer(t, nil)
	t.Setenv("FEDSCRAPE_DISABLE", "1")
	w := register(t, Options{Job: "webapp", Gatherer: newRegistry(t), FederatorURL: p.URL})
	if err := w.Final(t.Context()); err != nil {
		t.Error(err)
	}
	if next := http.NotFoundHandler(); w.Handler(next) == nil {
		t.Error("Handler gives none")
	}
	if err := w.Close(); err != nil || p.rest() != nil {
		t.Errorf("Close says %v", err)
	}
}

func TestLocalAddress(t *testing.T) {
	f := func(consul, want string) {
		t.Helper()
		if got, err := localAddress(t.Context(), consul); err != nil || got != want {
			t.Errorf("%s: %s, %v, want %s", consul, got, err, want)
		}
	}
	f("127.0.0.1:8500", "127.0.0.1")
	f("http://127.0.0.1:8500/consul", "127.0.0.1")
	f("https://127.0.0.1", "127.0.0.1")
	f("unix:///run/consul.sock", "127.0.0.1")
}
