package python_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// hang and garbage are answers that no server should give.
const (
	hang    = -1
	garbage = -2
)

// call is one request to the scripted peer.
type call struct {
	what   string // register, pass, deregister, final
	id     string // the service's
	header http.Header
	query  url.Values
	body   string
}

// registration is the part of a registration's body that is checked.
type registration struct {
	Name, ID, Address string
	Port              int
	Tags              []string
	Meta              map[string]string
	Check             map[string]string
}

// peer is agent and federator in one.
type peer struct {
	*httptest.Server
	release chan struct{}

	mu     sync.Mutex
	calls  []call
	answer func(c call) int
}

// newPeer answers 200 where answer is nil or gives 0.
func newPeer(t *testing.T, answer func(c call) int) *peer {
	t.Helper()
	p := &peer{release: make(chan struct{}), answer: answer}
	p.Server = httptest.NewServer(http.HandlerFunc(p.serve))
	t.Cleanup(func() {
		close(p.release)
		p.Close()
	})
	return p
}

func always(status int) func(call) int { return func(call) int { return status } }

// only answers one kind of call with status and the others well.
func only(what string, status int) func(call) int {
	return func(c call) int {
		if c.what == what {
			return status
		}
		return 0
	}
}

func (p *peer) script(answer func(c call) int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.answer = answer
}

func (p *peer) serve(rw http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	c := newCall(r, string(body))
	p.mu.Lock()
	p.calls = append(p.calls, c)
	answer := p.answer
	p.mu.Unlock()
	status := 0
	if answer != nil {
		status = answer(c)
	}
	switch status {
	case 0:
		rw.WriteHeader(http.StatusOK)
	case hang:
		<-p.release
	case garbage:
		conn, _, err := rw.(http.Hijacker).Hijack()
		if err == nil {
			_, _ = io.WriteString(conn, "SSH-2.0-OpenSSH_9.2\r\n")
			_ = conn.Close()
		}
	default:
		http.Error(rw, "scripted", status)
	}
}

func newCall(r *http.Request, body string) call {
	c := call{what: r.Method + " " + r.URL.Path, header: r.Header, query: r.URL.Query(), body: body}
	if r.Method != http.MethodPut {
		return c
	}
	switch path := r.URL.Path; {
	case path == "/v1/agent/service/register":
		var reg registration
		_ = json.Unmarshal([]byte(body), &reg)
		c.what, c.id = "register", reg.ID
	case strings.HasPrefix(path, "/v1/agent/check/pass/service:"):
		c.what, c.id = "pass", strings.TrimPrefix(path, "/v1/agent/check/pass/service:")
	case strings.HasPrefix(path, "/v1/agent/service/deregister/"):
		c.what, c.id = "deregister", strings.TrimPrefix(path, "/v1/agent/service/deregister/")
	case path == "/api/v1/final":
		c.what, c.id = "final", r.Header.Get("X-Fedscrape-Worker")
	}
	return c
}

// of is the calls of one kind so far.
func (p *peer) of(what string) []call {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(p.calls), func(c call) bool { return c.what != what })
}

// await is the n-th call of a kind, counted from 1.
func (p *peer) await(t *testing.T, what string, n int) call {
	t.Helper()
	var calls []call
	eventually(t, "a call to "+what, func() bool {
		calls = p.of(what)
		return len(calls) >= n
	})
	return calls[n-1]
}

// story is what was called for a service, heartbeats left out.
func (p *peer) story(id string) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	var whats []string
	for _, c := range p.calls {
		if c.id == id && c.what != "pass" {
			whats = append(whats, c.what)
		}
	}
	return strings.Join(whats, " ")
}

func parseRegistration(t *testing.T, c call) registration {
	t.Helper()
	var reg registration
	if err := json.Unmarshal([]byte(c.body), &reg); err != nil {
		t.Fatalf("registration %s: %v", c.body, err)
	}
	return reg
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	deadline := time.After(time.Minute)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("waited in vain for %s", what)
		}
	}
}
