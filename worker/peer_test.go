package worker

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	consulapi "github.com/hashicorp/consul/api"
)

// call is one request to the scripted peer.
type call struct {
	what   string // register, pass, deregister, final
	header http.Header
	query  string
	body   []byte
}

func (c call) registration(t *testing.T) consulapi.AgentServiceRegistration {
	t.Helper()
	var r consulapi.AgentServiceRegistration
	if err := json.Unmarshal(c.body, &r); err != nil {
		t.Fatalf("registration %s: %v", c.body, err)
	}
	return r
}

// peer is agent and federator in one. It answers 200 where answer is nil or gives 0, and hangs where it gives hang.
type peer struct {
	*httptest.Server
	calls   chan call
	release chan struct{}
	mu      sync.Mutex
	answer  func(what string) int
}

const hang = -1

func newPeer(t *testing.T, answer func(what string) int) *peer {
	t.Helper()
	p := &peer{calls: make(chan call, 1000), release: make(chan struct{}), answer: answer}
	p.Server = httptest.NewServer(http.HandlerFunc(p.serve))
	t.Cleanup(func() {
		close(p.release)
		p.Close()
	})
	t.Setenv("CONSUL_HTTP_ADDR", p.URL)
	t.Setenv("TMPDIR", t.TempDir())
	return p
}

func (p *peer) script(answer func(what string) int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.answer = answer
}

func (p *peer) serve(rw http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	what := purpose(r.URL.Path)
	p.calls <- call{what, r.Header, r.URL.RawQuery, body}
	p.mu.Lock()
	answer := p.answer
	p.mu.Unlock()
	status := 0
	if answer != nil {
		status = answer(what)
	}
	switch status {
	case hang:
		<-p.release
	case 0:
		rw.WriteHeader(http.StatusOK)
	default:
		http.Error(rw, "scripted", status)
	}
}

func purpose(path string) string {
	switch {
	case path == "/v1/agent/service/register":
		return "register"
	case strings.HasPrefix(path, "/v1/agent/check/update/service:"):
		return "pass"
	case strings.HasPrefix(path, "/v1/agent/service/deregister/"):
		return "deregister"
	case path == "/api/v1/final":
		return "final"
	}
	return path
}

// await is the next call to what, heartbeats left out.
func (p *peer) await(t *testing.T, what string) call {
	t.Helper()
	deadline := time.After(time.Minute)
	for {
		select {
		case c := <-p.calls:
			if c.what == what {
				return c
			}
			if c.what != "pass" {
				t.Fatalf("the peer was called to %s, want %s", c.what, what)
			}
		case <-deadline:
			t.Fatalf("the peer was not called to %s", what)
		}
	}
}

// next is the next call, which must be one of what.
func (p *peer) next(t *testing.T, what string) call {
	t.Helper()
	select {
	case c := <-p.calls:
		if c.what != what {
			t.Fatalf("the peer was called to %s, want %s", c.what, what)
		}
		return c
	case <-time.After(time.Minute):
		t.Fatalf("the peer was not called to %s", what)
		return call{}
	}
}

// rest is what the peer was called for and no test has looked at, heartbeats left out.
func (p *peer) rest() []string {
	var whats []string
	for {
		select {
		case c := <-p.calls:
			if c.what != "pass" {
				whats = append(whats, c.what)
			}
		default:
			return whats
		}
	}
}
