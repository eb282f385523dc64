package registry

import (
	"context"
	"encoding/json"
	"flag"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	consulapi "github.com/hashicorp/consul/api"
	"go.uber.org/goleak"

	"github.com/fedscrape/fedscrape/internal/realbin"
)

func TestMain(m *testing.M) {
	flag.Parse()
	if flag.Lookup("test.fuzz").Value.String() == "" { // which would take as many processes
		if err := flag.Set("test.parallel", "64"); err != nil { // most of what these tests do is waiting
			panic(err)
		}
	}
	goleak.VerifyTestMain(m)
}

// contract is what the embedded registry and every real Consul must do. Each case states Consul's answer as recorded
// from a real one, and uses service names of its own: the cases run at the same time.
var contract = map[string]func(*testing.T, *peer){}

// contractAlone are the cases that others would disturb: they watch the whole node. They run first, one by one.
var contractAlone = map[string]func(*testing.T, *peer){}

// peer is one of them.
type peer struct {
	url    string
	node   string
	ip     string // the node's
	server bool   // false: a client agent
	token  string // of an agent that denies by default
	http   *http.Client
	client *consulapi.Client
	// A service with DeregisterCriticalServiceAfter "1s" is gone no sooner and no later than this after it turned
	// critical.
	reapFloor, reapLimit time.Duration
}

func TestContractEmbedded(t *testing.T) {
	t.Parallel()
	url := embedded(t, Options{Node: "n1", ReapFloor: time.Second, ReapInterval: 200 * time.Millisecond})
	runContract(t, &peer{url: url, node: "n1", ip: "127.0.0.1", server: true, reapFloor: time.Second, reapLimit: answerTimeout})
}

// embedded runs a registry as the program does, until the test ends.
func embedded(t *testing.T, opts Options) (url string) {
	t.Helper()
	server := New(opts)
	web := httptest.NewUnstartedServer(nil)
	web.Config = server.HTTPServer()
	web.Start()
	t.Cleanup(web.Close)
	t.Cleanup(server.Close)
	return web.URL
}

func TestContractConsul(t *testing.T) {
	t.Parallel()
	addr := realbin.StartConsul(t, realbin.ConsulOptions{Node: "n1"})
	runContract(t, &peer{url: "http://" + addr, node: "n1", ip: "127.0.0.1", server: true, reapFloor: time.Minute, reapLimit: 90*time.Second + answerTimeout})
}

// TestContractConsulClient asks a client agent, which is what runs on most hosts, with the server elsewhere.
func TestContractConsulClient(t *testing.T) {
	t.Parallel()
	agents := realbin.ConsulCluster(t, 2)
	ip, _, err := net.SplitHostPort(agents[1].Addr)
	if err != nil {
		t.Fatal(err)
	}
	runContract(t, &peer{url: "http://" + agents[1].Addr, node: "node2", ip: ip})
}

// TestContractConsulACL asks an agent that denies everything without a token.
func TestContractConsulACL(t *testing.T) {
	t.Parallel()
	const token = "5b7b1c4e-0a6c-4a9e-9d0c-1f2e3d4c5b6a"
	addr := realbin.StartConsul(t, realbin.ConsulOptions{Node: "n1", HCL: `acl {
		enabled = true
		default_policy = "deny"
		tokens { initial_management = "` + token + `", agent = "` + token + `", default = "` + token + `" }
	}`})
	p := &peer{url: "http://" + addr, node: "n1", ip: "127.0.0.1", server: true, token: token, http: http.DefaultClient}
	defer http.DefaultClient.CloseIdleConnections()
	p.ok(t, http.MethodPut, "/v1/agent/token/default", `{"Token":""}`) // it was for who awaited the agent's start
	runContract(t, p)
}

func runContract(t *testing.T, p *peer) {
	t.Helper()
	transport := &http.Transport{DisableCompression: true, MaxIdleConnsPerHost: 100}
	t.Cleanup(transport.CloseIdleConnections)
	p.http = &http.Client{Transport: transport}
	var err error
	if p.client, err = consulapi.NewClient(&consulapi.Config{Address: p.url, HttpClient: p.http, Token: p.token}); err != nil {
		t.Fatal(err)
	}
	for name, run := range contractAlone {
		t.Run(name, func(t *testing.T) { run(t, p) })
	}
	reaped := p.startReaping(t) // a service that goes would disturb them
	t.Run("together", func(t *testing.T) {
		for name, run := range contract {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				run(t, p)
			})
		}
	})
	if p.reapLimit > 0 {
		t.Run("reaping", func(t *testing.T) { p.finishReaping(t, reaped) })
	}
}

// answer is what a peer said.
type answer struct {
	status  int
	header  http.Header
	body    string
	elapsed time.Duration
	err     error
}

func (a answer) index() uint64 {
	index, _ := strconv.ParseUint(a.header.Get("X-Consul-Index"), 10, 64)
	return index
}

// answerTimeout is longer than any answer takes that is not blocked, on a machine that does other things, too.
const answerTimeout = time.Minute

// do sends one request.
func (p *peer) do(t *testing.T, method, path, body string) answer {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), answerTimeout)
	defer cancel()
	a := p.send(ctx, method, path, body)
	if a.err != nil {
		t.Fatalf("%s %s: %v", method, path, a.err)
	}
	return a
}

func (p *peer) send(ctx context.Context, method, path, body string) (a answer) {
	start := time.Now()
	req, err := http.NewRequestWithContext(ctx, method, p.url+path, strings.NewReader(body))
	if err != nil {
		return answer{err: err}
	}
	if p.token != "" {
		req.Header.Set("X-Consul-Token", p.token)
	}
	resp, err := p.http.Do(req)
	if err != nil {
		return answer{err: err}
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	// A client agent puts this before what its server says.
	own := strings.TrimPrefix(string(text), "rpc error making call: ")
	return answer{resp.StatusCode, resp.Header, own, time.Since(start), err}
}

// ok sends a request that must succeed.
func (p *peer) ok(t *testing.T, method, path, body string) answer {
	t.Helper()
	a := p.do(t, method, path, body)
	if a.status != http.StatusOK {
		t.Fatalf("%s %s %s: %d %s", method, path, body, a.status, a.body)
	}
	return a
}

// register registers a service and waits until its own entry is in health: Consul's catalog lags behind its agent.
func (p *peer) register(t *testing.T, body string) {
	t.Helper()
	p.ok(t, http.MethodPut, "/v1/agent/service/register", body)
	var reg struct{ Name, ID string }
	if err := json.Unmarshal([]byte(body), &reg); err != nil {
		t.Fatal(err)
	}
	if reg.ID == "" {
		reg.ID = reg.Name
	}
	t.Cleanup(func() {
		p.send(context.Background(), http.MethodPut, "/v1/agent/service/deregister/"+reg.ID, "")
	})
	p.eventually(t, reg.ID+" in health", func() bool { return p.find(t, reg.Name, reg.ID) != nil })
}

// entries is health/service, read by Consul's own client.
func (p *peer) entries(t *testing.T, name string) []*consulapi.ServiceEntry {
	t.Helper()
	entries, _, err := p.client.Health().Service(name, "", false, nil)
	if err != nil {
		t.Fatal(err)
	}
	return entries
}

func (p *peer) find(t *testing.T, name, id string) *consulapi.ServiceEntry {
	t.Helper()
	for _, entry := range p.entries(t, name) {
		if entry.Service.ID == id {
			return entry
		}
	}
	return nil
}

// status is the status and output of the worker's check in health; Checks[0] is the node's.
func (p *peer) status(t *testing.T, name string) (status, output string) {
	t.Helper()
	entries := p.entries(t, name)
	if len(entries) != 1 || len(entries[0].Checks) != 2 {
		return "", ""
	}
	return entries[0].Checks[1].Status, entries[0].Checks[1].Output
}

func (p *peer) wantStatus(t *testing.T, name, status, output string) {
	t.Helper()
	p.eventually(t, "status "+status+" "+output, func() bool {
		gotStatus, gotOutput := p.status(t, name)
		return gotStatus == status && gotOutput == output
	})
}

// eventually polls until it holds.
func (p *peer) eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	deadline := time.NewTimer(answerTimeout)
	defer deadline.Stop()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-deadline.C:
			t.Fatalf("never came true: %s", what)
		case <-tick.C:
		}
	}
}

// block starts a blocked query from the present index, and returns once the request has been sent.
func (p *peer) block(t *testing.T, path, wait string) (before answer, blocked <-chan answer) {
	t.Helper()
	before = p.ok(t, http.MethodGet, path, "")
	separator := "?"
	if strings.Contains(path, "?") {
		separator = "&"
	}
	path += separator + "wait=" + wait + "&index=" + strconv.FormatUint(before.index(), 10)
	sent, answers := make(chan struct{}), make(chan answer, 1)
	ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{WroteRequest: func(httptrace.WroteRequestInfo) { close(sent) }})
	go func() { answers <- p.send(ctx, http.MethodGet, path, "") }()
	select {
	case <-sent:
	case <-time.After(answerTimeout):
		t.Fatalf("%s: not sent", path)
	}
	return before, answers
}

// wakes tells that the change answers a query that is blocked, at once, with a higher index.
func (p *peer) wakes(t *testing.T, path string, change func()) answer {
	t.Helper()
	before, blocked := p.block(t, path, "60s")
	change()
	select {
	case a := <-blocked:
		if a.err != nil || a.status != http.StatusOK || a.index() <= before.index() {
			t.Errorf("%s: %v, status %d, index %d after %d", path, a.err, a.status, a.index(), before.index())
		}
		return a
	case <-time.After(answerTimeout):
		t.Fatalf("%s: not woken", path)
		return answer{}
	}
}

// quietWait is how long a query blocks that nothing should wake.
const quietWait = 1200 * time.Millisecond

// wakesNot tells that the change leaves a blocked query alone: it is answered when its time is over.
func (p *peer) wakesNot(t *testing.T, path string, change func()) {
	t.Helper()
	before, blocked := p.block(t, path, quietWait.String())
	change()
	a := <-blocked
	if a.err != nil || a.elapsed < quietWait || a.elapsed > quietWait+quietWait/jitterPart+answerTimeout {
		t.Errorf("%s: answered after %v with index %d (asked %d), want %v: %v", path, a.elapsed, a.index(), before.index(), quietWait, a.err)
	}
}

// staysBlocked is wakesNot for a change that does move the index: a query that arrives only after it is lawfully
// answered at once. That cannot be seen from outside, so each try gives the query more time to arrive.
func (p *peer) staysBlocked(t *testing.T, path string, change func()) {
	t.Helper()
	const tries = 6
	for try := range tries {
		early := time.Duration(try*try) * 100 * time.Millisecond
		_, blocked := p.block(t, path, (early + quietWait).String())
		<-time.After(early)
		change()
		if a := <-blocked; a.err == nil && a.elapsed >= early+quietWait {
			return
		}
	}
	t.Errorf("%s: woken %d times of %d", path, tries, tries)
}

// sameJSON compares a body with what was recorded, indexes and the node's own description apart.
func (p *peer) sameJSON(t *testing.T, got, want string) {
	t.Helper()
	want = strings.NewReplacer("NODE-IP", p.ip, "NODE", p.node).Replace(want)
	var g, w any
	if err := json.Unmarshal([]byte(got), &g); err != nil {
		t.Fatalf("%v: %s", err, got)
	}
	if err := json.Unmarshal([]byte(want), &w); err != nil {
		t.Fatalf("%v: %s", err, want)
	}
	if diff := cmp.Diff(dropIndexes(w), dropIndexes(g)); diff != "" {
		t.Errorf("recorded (-) and got (+):\n%s", diff)
	}
}

func dropIndexes(value any) any {
	switch value := value.(type) {
	case map[string]any:
		for _, key := range []string{"CreateIndex", "ModifyIndex", "ContentHash"} {
			if _, ok := value[key]; ok {
				value[key] = "some"
			}
		}
		if tagged, _ := value["TaggedAddresses"].(map[string]any); value["Datacenter"] != nil && tagged["lan"] != nil && value["Service"] == nil {
			value["ID"] = "some node"
		}
		for key := range value {
			value[key] = dropIndexes(value[key])
		}
	case []any:
		for i := range value {
			value[i] = dropIndexes(value[i])
		}
	}
	return value
}
