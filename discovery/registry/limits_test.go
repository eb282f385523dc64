package registry

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fedscrape/fedscrape/internal/realbin"
)

// statuses opens n connections of one client, asks once on each, and counts the answers by status.
func statuses(t *testing.T, address string, n int) map[int]int {
	t.Helper()
	counts := map[int]int{}
	for range n {
		transport := &http.Transport{} // a connection of its own, kept until the end
		t.Cleanup(transport.CloseIdleConnections)
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+address+"/v1/status/leader", http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := (&http.Client{Transport: transport, Timeout: answerTimeout}).Do(req)
		if err != nil {
			counts[0]++
			continue
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		_ = resp.Body.Close()
		counts[resp.StatusCode]++
	}
	return counts
}

func TestConnectionsOfOneClientAreLimited(t *testing.T) {
	t.Parallel()
	const limit, asked = 5, 9
	if got := statuses(t, strings.TrimPrefix(embedded(t, Options{MaxConnsPerClient: limit}), "http://"), asked); got[200] != limit || got[429] != asked-limit {
		t.Errorf("registry: answers by status %v", got)
	}
	// Consul may still count the connection that saw it start; and it closes without reading the request, so that its 429
	// is lost in a reset, on a busy machine each of them.
	address := realbin.StartConsul(t, realbin.ConsulOptions{HCL: fmt.Sprintf("limits { http_max_conns_per_client = %d }", limit)})
	if got := statuses(t, address, asked); got[200] < limit-1 || got[200] > limit || got[200]+got[429]+got[0] != asked {
		t.Errorf("Consul: answers by status %v", got)
	}
}

func TestConnectionsThatEndCountNoMore(t *testing.T) {
	t.Parallel()
	address := strings.TrimPrefix(embedded(t, Options{MaxConnsPerClient: 2}), "http://")
	var dialer net.Dialer
	dial := func() net.Conn {
		conn, err := dialer.DialContext(t.Context(), "tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		return conn
	}
	read := func(conn net.Conn) string {
		_ = conn.SetDeadline(time.Now().Add(answerTimeout))
		_, _ = io.WriteString(conn, "GET /v1/status/leader HTTP/1.1\r\nHost: x\r\n\r\n")
		line := make([]byte, 12)
		_, _ = io.ReadFull(conn, line)
		return string(line)
	}
	var conns []net.Conn
	for i := range 5 {
		conns = append(conns, dial())
		want := "HTTP/1.1 200"
		if i >= 2 {
			want = "HTTP/1.1 429"
		}
		if i >= 4 {
			want = strings.Repeat("\x00", 12) // twice the limit: closed unheard
		}
		// A surplus connection is closed after its answer: those before the last are not asked yet, so that they count.
		if i < 2 || i == 4 {
			if got := read(conns[i]); got != want {
				t.Errorf("connection %d: %q, want %q", i, got, want)
			}
		}
	}
	if got := read(conns[2]); got != "HTTP/1.1 429" {
		t.Errorf("third connection: %q", got)
	}
	for _, conn := range conns {
		_ = conn.Close()
	}
	p := &peer{}
	p.eventually(t, "room again", func() bool {
		conn := dial()
		defer func() { _ = conn.Close() }()
		return read(conn) == "HTTP/1.1 200"
	})
}

func TestBlockedQueriesAreLimited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := New(Options{MaxBlocked: 2})
		defer s.Close()
		ctx, cancel := context.WithCancel(t.Context())
		var blocked sync.WaitGroup
		for range 2 {
			blocked.Go(func() { callContext(ctx, s, http.MethodGet, "/v1/health/service/w?index=1000", "") })
		}
		synctest.Wait()
		got := call(t, s, http.MethodGet, "/v1/catalog/services?index=1000&wait=1s", "")
		if got.Code != http.StatusTooManyRequests || got.Body.String() != "2 blocked queries wait, the limit is 2: ask again later" {
			t.Errorf("%d %s", got.Code, got.Body)
		}
		if got := call(t, s, http.MethodGet, "/v1/catalog/services", ""); got.Code != http.StatusOK {
			t.Errorf("a query that does not block: %d", got.Code)
		}
		cancel()
		blocked.Wait()
		if got := call(t, s, http.MethodGet, "/v1/catalog/services?index=1000&wait=1s", ""); got.Code != http.StatusOK {
			t.Errorf("after they went: %d %s", got.Code, got.Body)
		}
	})
}

func TestProbesAreLimited(t *testing.T) {
	s := New(Options{MaxProbes: 2})
	defer s.Close()
	f := func(name, check string, status int, text string) {
		t.Helper()
		got := call(t, s, http.MethodPut, "/v1/agent/service/register", `{"Name":"`+name+`","Check":{`+check+`}}`)
		if got.Code != status || !strings.Contains(got.Body.String(), text) {
			t.Errorf("%s: %d %q, want %d %q", name, got.Code, got.Body, status, text)
		}
	}
	const tcp = `"TCP":"127.0.0.1:1","Interval":"1h"`
	f("a", tcp, 200, "")
	f("b", tcp, 200, "")
	f("c", tcp, 429, "registry full: 2 HTTP and TCP checks, the limit is 2: deregister some, or use TTL checks")
	f("c", `"TTL":"5s"`, 200, "")
	f("a", tcp, 200, "") // what is there can always come again
	f("a", `"TTL":"5s"`, 200, "")
	f("c", tcp, 200, "")
	put(t, s, "/v1/agent/service/deregister/b", "")
	f("d", tcp, 200, "")
	if n := s.state.probers; n != 2 {
		t.Errorf("%d probers", n)
	}
}

// TestChecksAreChargedFor: what checks hold counts as long as they do, however the service is registered again.
func TestChecksAreChargedFor(t *testing.T) {
	s := New(Options{MaxBytes: 10_000})
	defer s.Close()
	check := `"TCP":"127.0.0.1:1","Interval":"1h","Notes":"` + strings.Repeat("n", 3000) + `"`
	put(t, s, "/v1/agent/service/register", `{"Name":"a","Check":{`+check+`}}`)
	put(t, s, "/v1/agent/service/register", `{"Name":"a"}`) // and keeps its check
	put(t, s, "/v1/agent/check/register", `{"Name":"second","ServiceID":"a",`+check+`}`)
	put(t, s, "/v1/agent/check/register", `{"Name":"third","ServiceID":"a",`+check+`}`)
	put(t, s, "/v1/agent/check/register", `{"Name":"third","ServiceID":"a",`+check+`}`)
	got := call(t, s, http.MethodPut, "/v1/agent/check/register", `{"Name":"fourth","ServiceID":"a",`+check+`}`)
	if got.Code != http.StatusTooManyRequests || !strings.Contains(got.Body.String(), "registry full: registrations of") {
		t.Errorf("%d %s", got.Code, got.Body)
	}
	put(t, s, "/v1/agent/check/deregister/third", "")
	put(t, s, "/v1/agent/check/register", `{"Name":"fourth","ServiceID":"a",`+check+`}`)
	put(t, s, "/v1/agent/service/deregister/a", "")
	if s.state.bytes != 0 || s.state.probers != 0 {
		t.Errorf("%d bytes and %d probers stay", s.state.bytes, s.state.probers)
	}
}

// TestCloseEndsChecks: goleak tells what is left.
func TestCloseEndsChecks(t *testing.T) {
	s := New(Options{})
	put(t, s, "/v1/agent/service/register", `{"Name":"a","Checks":[{"TCP":"127.0.0.1:1","Interval":"1h"},{"HTTP":"http://127.0.0.1:1/","Interval":"1h"}]}`)
	s.Close()
}

// TestReregisteringDoesNotStarveACheck: registered anew each 100 ms, and asked all the same.
func TestReregisteringDoesNotStarveACheck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := New(Options{})
		defer s.Close()
		var probers []*prober
		for range 50 {
			// An address that is none is refused without a network.
			put(t, s, "/v1/agent/service/register", `{"Name":"w","Check":{"TCP":"none","Interval":"1s","Status":"passing"}}`)
			probers = append(probers, s.state.checks["service:w"].prober)
			advance(100 * time.Millisecond)
		}
		if probers[0] != probers[len(probers)-1] {
			t.Error("the same check was begun anew")
		}
		if got := statusOf(t, s, "w"); got != critical {
			t.Errorf("%s: never asked", got)
		}
		put(t, s, "/v1/agent/service/register", `{"Name":"w","Check":{"TCP":"other","Interval":"1s"}}`)
		if s.state.checks["service:w"].prober == probers[0] {
			t.Error("another check is asked as the old one")
		}
	})
}

func TestReaperTakesWhatFailsItsCheck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := New(Options{})
		defer s.Close()
		put(t, s, "/v1/agent/service/register", `{"Name":"w","Check":{"TCP":"none","Interval":"1s","DeregisterCriticalServiceAfter":"1m"}}`)
		advance(55 * time.Second)
		if got := statusOf(t, s, "w"); got != critical {
			t.Fatalf("%q after 55s", got)
		}
		advance(40 * time.Second)
		if got := statusOf(t, s, "w"); got != "" {
			t.Fatalf("%s after 95s", got)
		}
	})
}

func TestRestOfConsulIsElsewhere(t *testing.T) {
	s := New(Options{})
	defer s.Close()
	f := func(method, path, part string) {
		t.Helper()
		got := call(t, s, method, path, "")
		if want := part + " is not served by fedscrape's embedded registry: use a real Consul\n"; got.Code != http.StatusNotImplemented || got.Body.String() != want {
			t.Errorf("%s: %d %q", path, got.Code, got.Body)
		}
	}
	f(http.MethodGet, "/v1/kv/a/b?recurse", "/v1/kv")
	f(http.MethodPut, "/v1/session/create", "/v1/session")
	f(http.MethodPut, "/v1/txn", "/v1/txn")
	f(http.MethodPut, "/v1/catalog/register", "/v1/catalog/register")
	f(http.MethodPut, "/v1/agent/maintenance?enable=true", "/v1/agent/maintenance")
	f(http.MethodGet, "/v1/acl/tokens", "/v1/acl")
	if got := call(t, s, http.MethodGet, "/v1/kvx", ""); got.Code != http.StatusNotFound {
		t.Errorf("%d", got.Code)
	}
	if got := call(t, s, http.MethodPut, "/v1/agent/check/register", `{"Name":"node's","TTL":"5s"}`); got.Code != 400 || !strings.Contains(got.Body.String(), "set ServiceID") {
		t.Errorf("%d %s", got.Code, got.Body)
	}
}

func TestResultsInARow(t *testing.T) {
	f := func(toPass, toWarn, toFail int, results, want string) {
		t.Helper()
		p := newProber(&check{probe: &probe{successesToPass: toPass, failuresToWarn: toWarn, failuresToFail: toFail}}, nil)
		names := map[rune]string{'p': passing, 'w': warning, 'c': critical}
		letters := map[string]string{passing: "p", warning: "w", critical: "c", "": "-"}
		var got strings.Builder
		for _, result := range results {
			got.WriteString(letters[p.judge(names[result])])
		}
		if got.String() != want {
			t.Errorf("%d, %d, %d: %s gives %s, want %s", toPass, toWarn, toFail, results, &got, want)
		}
	}
	f(0, 0, 0, "pcwcp", "pcwcp")
	f(2, 2, 3, "cccpppccccpc", "ccc-pp-wcc--") // the first result counts at once
	f(2, 2, 3, "pccpcccpwp", "p-w--wc-wp")
	f(0, 0, 3, "pccccp", "p--ccp") // without a warning of its own
	f(-1, 0, -1, "pc", "pc")
}
