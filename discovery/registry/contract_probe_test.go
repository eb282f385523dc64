package registry

import (
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	consulapi "github.com/hashicorp/consul/api"
)

func init() {
	contract["HTTP check"] = httpCheck
	contract["what an HTTP check asks"] = httpCheckAsks
	contract["HTTP check over TLS"] = httpsCheck
	contract["TCP check"] = tcpCheck
	contract["thresholds"] = thresholds
	contract["a check that asks takes no heartbeat"] = probeTakesNoHeartbeat
	contract["checks that are refused"] = checksRefused
	contract["checks that are accepted"] = checksAccepted
	contract["agent/check/register"] = checkRegister
}

// worker answers checks; what it answers can be changed.
type worker struct {
	*httptest.Server
	mu     sync.Mutex
	status int
	asked  []string
	left   int           // questions that are still answered at once, where more wait
	more   chan struct{} // closed when the rest may be answered; nil: at once
}

func newWorker(t *testing.T, start func(*httptest.Server)) *worker {
	t.Helper()
	w := &worker{status: http.StatusOK}
	w.Server = httptest.NewUnstartedServer(http.HandlerFunc(w.answer))
	w.Config.ErrorLog = log.New(io.Discard, "", 0) // of clients that do not trust the certificate
	start(w.Server)
	t.Cleanup(w.Close)
	return w
}

func (w *worker) answer(rw http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	status := w.turn()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.asked = append(w.asked, strings.Join([]string{
		r.Method, r.URL.Path, r.Host, r.Header.Get("User-Agent"), r.Header.Get("Accept"), strings.Join(r.Header["X-A"], "+"), string(body),
	}, " "))
	if r.URL.Path == "/away" {
		http.Redirect(rw, r, "/there", http.StatusFound)
		return
	}
	rw.WriteHeader(status)
	_, _ = io.WriteString(rw, r.URL.Query().Get("say"))
}

// turn holds up a question that is one too many, and gives the status that it found.
func (w *worker) turn() (status int) {
	w.mu.Lock()
	status, more := w.status, w.more
	if w.left--; w.left >= 0 {
		more = nil
	}
	w.mu.Unlock()
	if more != nil {
		<-more
	}
	return status
}

func (w *worker) set(status int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.status = status
}

// setFor lets n questions have a status, and those after them wait until it is released.
func (w *worker) setFor(n, status int) (release func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.status, w.left, w.more = status, n, make(chan struct{})
	return sync.OnceFunc(func() { close(w.more) })
}

func (w *worker) first() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.asked) == 0 {
		return ""
	}
	return w.asked[0]
}

// Checks have a minute for an answer here: one that a busy machine keeps from it is critical too, and Consul keeps the
// first text of a status.

func httpCheck(t *testing.T, p *peer) {
	w := newWorker(t, (*httptest.Server).Start)
	url := w.URL + "/health?say=hello"
	p.register(t, `{"Name":"http","Check":{"HTTP":"`+url+`","Interval":"1s","Timeout":"60s"}}`)
	p.wantStatus(t, "http", "passing", "HTTP GET "+url+": 200 OK Output: hello")
	w.set(http.StatusTooManyRequests)
	p.wantStatus(t, "http", "warning", "HTTP GET "+url+": 429 Too Many Requests Output: hello")
	w.set(http.StatusInternalServerError)
	p.wantStatus(t, "http", "critical", "HTTP GET "+url+": 500 Internal Server Error Output: hello")
	w.set(http.StatusNoContent)
	p.wantStatus(t, "http", "passing", "HTTP GET "+url+": 204 No Content Output: ")
	// A registration that comes again leaves the status to the check.
	p.register(t, `{"Name":"http","Port":1,"Check":{"HTTP":"`+url+`","Interval":"1s","Timeout":"60s","Status":"critical"}}`)
	p.wantStatus(t, "http", "passing", "HTTP GET "+url+": 204 No Content Output: ")
	w.Close()
	// A check under way is broken off, and Consul keeps the first text of a status for minutes.
	p.eventually(t, "critical without an answer", func() bool {
		status, output := p.status(t, "http")
		return status == "critical" && strings.HasPrefix(output, `Get "`+url+`": `)
	})
}

func httpCheckAsks(t *testing.T, p *peer) {
	f := func(id, check, want string) {
		t.Helper()
		w := newWorker(t, (*httptest.Server).Start)
		check = strings.ReplaceAll(check, "URL", w.URL)
		p.register(t, `{"Name":"asks","ID":"asks-`+id+`","Check":{"Interval":"1s",`+check+`}}`)
		p.eventually(t, "a question", func() bool { return w.first() != "" })
		if got, want := w.first(), strings.ReplaceAll(want, "HOST", w.Listener.Addr().String()); got != want {
			t.Errorf("%s: asked %q, want %q", check, got, want)
		}
	}
	const accept = "text/plain, text/*, */*"
	f("1", `"HTTP":"URL/a"`, "GET /a HOST Consul Health Check "+accept+"  ")
	f("2", `"HTTP":"URL/b","Method":"PUT","Body":"text","Header":{"X-A":["1","2"],"User-Agent":["ua"],"Accept":["x/y"],"Host":["name"]}`, "PUT /b name ua x/y 1+2 text")

	w := newWorker(t, (*httptest.Server).Start)
	p.register(t, `{"Name":"follows","Check":{"Interval":"1s","HTTP":"`+w.URL+`/away"}}`)
	p.wantStatus(t, "follows", "passing", "HTTP GET "+w.URL+"/away: 200 OK Output: ")
	p.register(t, `{"Name":"stays","Check":{"Interval":"1s","Timeout":"60s","Status":"passing","DisableRedirects":true,"HTTP":"`+w.URL+`/away"}}`)
	p.wantStatus(t, "stays", "critical", "HTTP GET "+w.URL+"/away: 302 Found Output: <a href=\"/there\">Found</a>.\n\n")

	p.register(t, `{"Name":"end","Check":{"Interval":"1s","OutputMaxSize":5,"HTTP":"`+w.URL+`/?say=123456789"}}`)
	p.wantStatus(t, "end", "passing", "HTTP GET "+w.URL+"/?say=123456789: 200 OK Output: 56789")
}

func httpsCheck(t *testing.T, p *peer) {
	w := newWorker(t, (*httptest.Server).StartTLS)
	p.register(t, `{"Name":"https","Check":{"Interval":"1s","Timeout":"60s","Status":"passing","HTTP":"`+w.URL+`/"}}`)
	p.eventually(t, "an unknown certificate", func() bool {
		status, output := p.status(t, "https")
		return status == "critical" && strings.Contains(output, "certificate")
	})
	p.register(t, `{"Name":"https-any","Check":{"Interval":"1s","tls_skip_verify":true,"HTTP":"`+w.URL+`/"}}`)
	p.wantStatus(t, "https-any", "passing", "HTTP GET "+w.URL+"/: 200 OK Output: ")
	address := w.Listener.Addr().String()
	p.register(t, `{"Name":"tcp-tls","Check":{"Interval":"1s","TLSSkipVerify":true,"TCPUseTLS":true,"TCP":"`+address+`"}}`)
	p.wantStatus(t, "tcp-tls", "passing", "TCP+TLS connect "+address+": Success")
}

func tcpCheck(t *testing.T, p *peer) {
	var config net.ListenConfig
	listener, err := config.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	p.register(t, `{"Name":"tcp","Check":{"TCP":"`+address+`","Interval":"1s","Timeout":"60s"}}`)
	p.wantStatus(t, "tcp", "passing", "TCP connect "+address+": Success")
	_ = listener.Close()
	p.wantStatus(t, "tcp", "critical", "dial tcp "+address+": connect: connection refused")
}

func thresholds(t *testing.T, p *peer) {
	w := newWorker(t, (*httptest.Server).Start)
	w.set(http.StatusInternalServerError)
	failed, passed := "HTTP GET "+w.URL+"/: 500 Internal Server Error Output: ", "HTTP GET "+w.URL+"/: 200 OK Output: "
	p.register(t, `{"Name":"patient","Check":{"Interval":"1s","Timeout":"60s","Status":"passing","HTTP":"`+w.URL+`/","SuccessBeforePassing":2,
		"FailuresBeforeWarning":2,"FailuresBeforeCritical":3}}`)
	p.wantStatus(t, "patient", "critical", failed) // the first result is believed
	f := func(code int, status, output string) {
		t.Helper()
		start := time.Now()
		release := w.setFor(2, code) // a third result may change the status before it is seen
		defer release()
		p.wantStatus(t, "patient", status, output)
		if elapsed := time.Since(start); elapsed < time.Second {
			t.Errorf("%s after %v, which is not two results", status, elapsed)
		}
	}
	f(http.StatusOK, "passing", passed)
	f(http.StatusInternalServerError, "warning", failed)
	p.wantStatus(t, "patient", "critical", failed)
	f(http.StatusOK, "passing", passed)
}

func probeTakesNoHeartbeat(t *testing.T, p *peer) {
	p.register(t, `{"Name":"beaten","Check":{"HTTP":"http://127.0.0.1:1/","Interval":"10m"}}`)
	for _, verb := range []string{"pass", "warn", "fail", "update"} {
		a := p.do(t, http.MethodPut, "/v1/agent/check/"+verb+"/service:beaten", `{"Status":"passing"}`)
		if a.status != http.StatusInternalServerError || a.body != `CheckID "service:beaten" does not have associated TTL` {
			t.Errorf("%s: %d %q", verb, a.status, a.body)
		}
	}
	p.register(t, `{"Name":"beaten","Check":{"TTL":"60s"}}`)
	p.ok(t, http.MethodPut, "/v1/agent/check/pass/service:beaten", "")
	p.wantStatus(t, "beaten", "passing", "")
}

func checksRefused(t *testing.T, p *peer) {
	f := func(check string, status int, text string) {
		t.Helper()
		a := p.do(t, http.MethodPut, "/v1/agent/service/register", `{"Name":"nocheck","Check":`+check+`}`)
		if a.status != status || !strings.HasPrefix(a.body, text) {
			t.Errorf("%s: %d %q, want %d %q", check, a.status, a.body, status, text)
		}
	}
	const (
		scripts  = "Scripts are disabled on this agent from remote calls; to enable, configure 'enable_script_checks' to true"
		interval = "Invalid check: Interval must be > 0 for Script, HTTP, H2PING, TCP, UDP or OSService checks"
	)
	f(`{"ScriptArgs":["/bin/true"],"Interval":"5s"}`, 500, scripts)
	f(`{"Args":["/bin/true"],"Interval":"5s"}`, 500, scripts)
	f(`{"script_args":["/bin/true"],"Interval":"5s"}`, 500, scripts)
	f(`{"Args":["/bin/true"]}`, 400, interval)
	f(`{"TCP":"127.0.0.1:1"}`, 400, interval)
	f(`{"TTL":"5s","HTTP":"http://127.0.0.1:1/"}`, 400, interval)
	f(`{"HTTP":"http://127.0.0.1:1/","Interval":"5s","TTL":"5s"}`, 400, "Invalid check: Interval and TTL cannot both be specified")
	f(`{"DockerContainerID":"x","Interval":"5s"}`, 400, "Invalid check: TTL must be > 0 for TTL checks")
	f(`{"HTTP":"http://127.0.0.1:1/","Interval":"5s","FailuresBeforeCritical":1,"FailuresBeforeWarning":2}`, 400,
		"Invalid check: FailuresBeforeWarning can't be higher than FailuresBeforeCritical")
	f(`{"TTL":"5s","OutputMaxSize":-1}`, 400, "Invalid check: MaxOutputMaxSize must be positive")
	f(`{"HTTP":"http://127.0.0.1:1/","Interval":"5s","Timeout":"abc"}`, 400, `Request decode failed: time: invalid duration "abc"`)
	f(`{"HTTP":"http://127.0.0.1:1/","Interval":"5s","Header":{"A":"b"}}`, 400, "Request decode failed: json: cannot unmarshal string")
	f(`{"HTTP":"http://127.0.0.1:1/","Interval":"5s","success_before_passing":2}`, 400, `Request decode failed: json: unknown field "success_before_passing"`)
	if entries := p.entries(t, "nocheck"); len(entries) != 0 {
		t.Errorf("%d refused services are registered", len(entries))
	}
}

func checksAccepted(t *testing.T, p *peer) {
	for _, check := range []string{
		`{"HTTP":"::not a url","Interval":"5s"}`, `{"TCP":"nonsense","Interval":"5s"}`, `{"HTTP":"http://127.0.0.1:1/","Interval":"5s","Method":"B AD"}`,
		`{"HTTP":"http://127.0.0.1:1/","Interval":"5s","Timeout":"-5s"}`, `{"HTTP":"http://127.0.0.1:1/","Interval":5e9,"Timeout":1000000000}`,
		`{"HTTP":"http://127.0.0.1:1/","TCP":"127.0.0.1:1","Interval":"5s"}`, `{"HTTP":"http://127.0.0.1:1/","Interval":"5s","SuccessBeforePassing":-1}`,
		`{"TTL":"5s","ServiceID":"other"}`, `{"TTL":"5s","service_id":"other"}`, `{"TTL":"5s","Timeout":"1s"}`, `{"TTL":"5s","Interval":"0s"}`,
		`{"HTTP":"http://127.0.0.1:1/","Interval":"5s","tls_server_name":"x","tcp_use_tls":false}`, `{"http":"http://127.0.0.1:1/","interval":"5s","timeout":"1s"}`,
	} {
		p.ok(t, http.MethodPut, "/v1/agent/service/register", `{"Name":"yescheck","Check":`+check+`}`)
	}
	p.ok(t, http.MethodPut, "/v1/agent/service/deregister/yescheck", "")
	// The interval is told as it was given, and raised to one second in silence.
	p.register(t, `{"Name":"told","Check":{"HTTP":"http://127.0.0.1:1/","Interval":"1ms","Timeout":"90s","Notes":"why"}}`)
	p.eventually(t, "the check", func() bool { return len(p.entries(t, "told")[0].Checks) == 2 })
	p.sameJSON(t, p.ok(t, http.MethodGet, "/v1/health/checks/told", "").body, `[{
		"Node": "NODE", "CheckID": "service:told", "Name": "Service 'told' check", "Status": "critical", "Notes": "why", "Output": "", "ServiceID": "told",
		"ServiceName": "told", "ServiceTags": [], "Type": "http", "Interval": "1ms", "Timeout": "1m30s", "ExposedPort": 0, "Definition": {},
		"CreateIndex": 1, "ModifyIndex": 1}]`)
}

func checkRegister(t *testing.T, p *peer) {
	f := func(body string, status int, text string) {
		t.Helper()
		a := p.do(t, http.MethodPut, "/v1/agent/check/register", body)
		if a.status != status || a.body != text {
			t.Errorf("%s: %d %q, want %d %q", body, a.status, a.body, status, text)
		}
	}
	p.register(t, `{"Name":"later","Tags":["a"]}`)
	f(`{"TTL":"10s"}`, 400, "Missing check name")
	f(`{"Name":"c","Status":"x","TTL":"5s"}`, 400, "Bad check status")
	f(`{"Name":"c","ServiceID":"later","HTTP":"http://127.0.0.1:1/"}`, 400, "Invalid check: Interval must be > 0 for Script, HTTP, H2PING, TCP, UDP or OSService checks")
	f(`{"Name":"c","ServiceID":"no-such","TTL":"5s"}`, 404, `ServiceID "no-such" does not exist`)
	f(`{"Name":"c","ServiceID":"later","CheckID":"x","TTL":"5s"}`, 400, `Request decode failed: json: unknown field "CheckID"`)
	f(`{"Name":"c","ServiceID":"later","ScriptArgs":["a"],"Interval":"5s"}`, 500,
		"Scripts are disabled on this agent from remote calls; to enable, configure 'enable_script_checks' to true")
	if err := p.client.Agent().CheckRegister(&consulapi.AgentCheckRegistration{
		ID: "later-ttl", Name: "ttl", Notes: "n", ServiceID: "later", AgentServiceCheck: consulapi.AgentServiceCheck{TTL: "60s", Status: "warning"},
	}); err != nil {
		t.Error(err)
	}
	p.wantStatus(t, "later", "warning", "")
	p.sameJSON(t, p.ok(t, http.MethodGet, "/v1/agent/checks?filter=CheckID==%22later-ttl%22", "").body, `{"later-ttl": {"Node": "NODE",
		"CheckID": "later-ttl", "Name": "ttl", "Status": "warning", "Notes": "n", "Output": "", "ServiceID": "later", "ServiceName": "later",
		"ServiceTags": ["a"], "Type": "ttl", "Interval": "0s", "Timeout": "0s", "ExposedPort": 0, "Definition": {}, "CreateIndex": 0, "ModifyIndex": 0}}`)
	p.ok(t, http.MethodPut, "/v1/agent/check/pass/later-ttl?note=fine", "")
	p.wantStatus(t, "later", "passing", "fine")
	p.ok(t, http.MethodPut, "/v1/agent/check/deregister/later-ttl", "")
	p.eventually(t, "no check", func() bool { return len(p.entries(t, "later")[0].Checks) == 1 })
	a := p.do(t, http.MethodPut, "/v1/agent/check/deregister/later-ttl", "")
	if a.status != 404 || a.body != `Unknown check ID "later-ttl". Ensure that the check ID is passed, not the check name.` {
		t.Errorf("%d %q", a.status, a.body)
	}
}
