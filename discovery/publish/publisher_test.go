package publish

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	consulapi "github.com/hashicorp/consul/api"

	"github.com/fedscrape/fedscrape/discovery"
	"github.com/fedscrape/fedscrape/internal/realbin"
)

func TestPublished(t *testing.T) {
	consuls(t, func(t *testing.T, c *consul) {
		r := start(t, &world{}, testEndpoint, "server: "+c.addr)
		r.set(true, "webapp/web1:8000", "jobs/ü/..?#%")
		found := c.awaitInstances(t, "fedscrape", "webapp/web1:8000", "jobs/ü/..?#%")
		s := found["webapp/web1:8000"].Service
		want := map[string]string{"job": "webapp", "instance": "web1:8000", "metrics_path": "/merged", "scheme": "http"}
		if fmt.Sprint(s.Meta) != fmt.Sprint(want) || s.Address != "192.0.2.7" || s.Port != 9390 {
			t.Errorf("%+v", s)
		}
		check := found["webapp/web1:8000"].Checks[len(found["webapp/web1:8000"].Checks)-1]
		if check.Status != consulapi.HealthPassing || check.Type != "ttl" {
			t.Errorf("%+v", check)
		}
		await(t, "the metric", func() bool { return r.metric(t, "fedscrape_published_instances") == 2 })
		r.set(true, "webapp/web1:8000", "webapp/web2:8000")
		c.awaitInstances(t, "fedscrape", "webapp/web1:8000", "webapp/web2:8000")
		r.set(false)
		keeps(t, c, "webapp/web1:8000", "webapp/web2:8000") // not whole: nothing is withdrawn
		r.set(true, "webapp/web2:8000")
		c.awaitInstances(t, "fedscrape", "webapp/web2:8000")
		r.stop()
		if left := c.entries(t, "fedscrape"); len(left) != 0 {
			t.Errorf("left after the end: %v", left)
		}
		if errors := r.metric(t, "fedscrape_publish_errors_total"); errors > 0 || strings.Contains(r.log.String(), "ERROR") {
			t.Errorf("%v errors\n%s", errors, r.log)
		}
	})
}

// keeps looks for three heartbeats that what is registered stays.
func keeps(t *testing.T, c *consul, want ...string) {
	t.Helper()
	for end := time.Now().Add(3 * testPace.heartbeat); time.Now().Before(end); <-time.After(testPace.poll) {
		if got := c.entries(t, "fedscrape"); len(got) != len(want) {
			t.Fatalf("got %v, want %v", got, want)
		}
	}
}

// TestNodeAddress: where the federator listens on all addresses, the agent's node has the one that others reach.
func TestNodeAddress(t *testing.T) {
	consuls(t, func(t *testing.T, c *consul) {
		e := testEndpoint
		e.Host = ""
		r := start(t, &world{}, e, "server: "+c.addr)
		r.set(true, "webapp/web1:8000")
		found := c.awaitInstances(t, "fedscrape", "webapp/web1:8000")["webapp/web1:8000"]
		if found.Service.Address != "" || found.Node.Address != "127.0.0.1" {
			t.Errorf("service %q, node %q", found.Service.Address, found.Node.Address)
		}
	})
}

// TestLostRegistration: an agent that has forgotten the services gets them again with the next heartbeat.
func TestLostRegistration(t *testing.T) {
	consuls(t, func(t *testing.T, c *consul) {
		r := start(t, &world{}, testEndpoint, "server: "+c.addr)
		r.set(true, "webapp/web1:8000", "webapp/web2:8000")
		lost := c.awaitInstances(t, "fedscrape", "webapp/web1:8000", "webapp/web2:8000")["webapp/web1:8000"].Service.ID
		for range 3 {
			if err := c.api.Agent().ServiceDeregister(lost); err != nil {
				t.Fatal(err)
			}
			again := c.awaitInstances(t, "fedscrape", "webapp/web1:8000", "webapp/web2:8000")
			if again["webapp/web1:8000"].Service.ID != lost {
				t.Error("under another ID")
			}
		}
	})
}

// TestHeartbeats keeps a check passing that is told to be critical: nothing but heartbeats can.
func TestHeartbeats(t *testing.T) {
	consuls(t, func(t *testing.T, c *consul) {
		r := start(t, &world{}, testEndpoint, "server: "+c.addr)
		r.set(true, "webapp/web1:8000")
		id := c.awaitInstances(t, "fedscrape", "webapp/web1:8000")["webapp/web1:8000"].Service.ID
		if err := c.api.Agent().UpdateTTL("service:"+id, "", consulapi.HealthCritical); err != nil {
			t.Fatal(err)
		}
		await(t, "a heartbeat", func() bool {
			return c.entries(t, "fedscrape")["webapp/web1:8000"].Checks.AggregatedStatus() == consulapi.HealthPassing
		})
	})
}

// TestLeftovers has an earlier run of the same federator that was killed, and other federators beside it.
func TestLeftovers(t *testing.T) {
	consuls(t, func(t *testing.T, c *consul) {
		killed := start(t, &world{}, testEndpoint, "server: "+c.addr)
		killed.set(true, "webapp/web1:8000", "webapp/web2:8000")
		neighbour := testEndpoint
		neighbour.Federator = "web1-9390-9391"
		other := start(t, &world{}, neighbour, "server: "+c.addr)
		other.set(true, "other/a")
		c.awaitInstances(t, "fedscrape", "webapp/web1:8000", "webapp/web2:8000", "other/a")
		killed.kill()

		again := start(t, &world{}, testEndpoint, "server: "+c.addr)
		again.set(false)
		keeps(t, c, "webapp/web1:8000", "webapp/web2:8000", "other/a")
		again.set(true, "webapp/web2:8000", "webapp/web3:8000")
		c.awaitInstances(t, "fedscrape", "webapp/web2:8000", "webapp/web3:8000", "other/a")
		again.stop()
		c.awaitInstances(t, "fedscrape", "other/a")
	})
}

// kill ends a publisher without a goodbye.
func (r *running) kill() {
	r.Publisher.mu.Lock()
	for _, c := range r.connections {
		c.stop(false)
		c.done.Wait()
	}
	r.connections = nil
	r.Publisher.mu.Unlock()
	r.stop()
}

// TestLeftoversAreKeptAlive: until the federator knows who is there, what an earlier run left must not expire.
func TestLeftoversAreKeptAlive(t *testing.T) {
	consuls(t, func(t *testing.T, c *consul) {
		killed := start(t, &world{}, testEndpoint, "server: "+c.addr)
		killed.set(true, "webapp/web1:8000")
		id := c.awaitInstances(t, "fedscrape", "webapp/web1:8000")["webapp/web1:8000"].Service.ID
		killed.kill()
		if err := c.api.Agent().UpdateTTL("service:"+id, "", consulapi.HealthCritical); err != nil {
			t.Fatal(err)
		}
		start(t, &world{}, testEndpoint, "server: "+c.addr)
		await(t, "a heartbeat", func() bool {
			return c.entries(t, "fedscrape")["webapp/web1:8000"].Checks.AggregatedStatus() == consulapi.HealthPassing
		})
	})
}

// TestReload changes what is published where.
func TestReload(t *testing.T) {
	consuls(t, func(t *testing.T, c *consul) {
		var deregistered atomic.Int32
		target := &url.URL{Scheme: "http", Host: c.addr}
		forward := httputil.NewSingleHostReverseProxy(target)
		proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if strings.Contains(r.URL.Path, "/deregister/") {
				deregistered.Add(1)
			}
			forward.ServeHTTP(w, r)
		}))
		defer proxy.Close()
		defer http.DefaultTransport.(*http.Transport).CloseIdleConnections()
		server := "server: " + strings.TrimPrefix(proxy.URL, "http://")

		r := start(t, &world{}, testEndpoint)
		r.set(true, "webapp/web1:8000")
		if n := r.metric(t, "fedscrape_published_instances"); n != -1 {
			t.Errorf("%v published nowhere", n)
		}
		r.Apply(options(t, server))
		c.awaitInstances(t, "fedscrape", "webapp/web1:8000")
		r.Apply(options(t, server, server+"\nservice: merged"))
		c.awaitInstances(t, "merged", "webapp/web1:8000")
		// Only the way to the place changes: nobody may see the services go.
		r.Apply(options(t, server+"\ntoken: other", server+"\nservice: merged"))
		r.set(true, "webapp/web1:8000", "webapp/web2:8000")
		c.awaitInstances(t, "fedscrape", "webapp/web1:8000", "webapp/web2:8000")
		c.awaitInstances(t, "merged", "webapp/web1:8000", "webapp/web2:8000")
		if n := deregistered.Load(); n != 0 {
			t.Errorf("%d were withdrawn", n)
		}
		r.Apply(options(t, server+"\nservice: merged"))
		if left := c.entries(t, "fedscrape"); len(left) != 0 {
			t.Errorf("left after the reload: %v", left)
		}
		c.awaitInstances(t, "merged", "webapp/web1:8000", "webapp/web2:8000")
		r.Apply(nil)
		if left := c.entries(t, "merged"); len(left) != 0 {
			t.Errorf("left after the last reload: %v", left)
		}
	})
}

// TestUnsayable: what Consul cannot hold is left out and said once, and Consul does hold what we take for the most.
func TestUnsayable(t *testing.T) {
	consuls(t, func(t *testing.T, c *consul) {
		most := strings.Repeat("ü", metaLimit/2)
		r := start(t, &world{}, testEndpoint, "server: "+c.addr)
		r.set(true, "webapp/"+strings.Repeat("x", metaLimit+1), "webapp/"+most)
		c.awaitInstances(t, "fedscrape", "webapp/"+most)
		r.set(true, "webapp/"+strings.Repeat("x", metaLimit+1), "webapp/a")
		c.awaitInstances(t, "fedscrape", "webapp/a")
		if n := strings.Count(r.log.String(), "Instance cannot be published"); n != 1 {
			t.Errorf("said %d times:\n%s", n, r.log)
		}
		if n := r.metric(t, "fedscrape_publish_errors_total"); n != 1 {
			t.Errorf("%v errors", n)
		}
	})
}

// TestConsulAway has a Consul that comes late, goes, and comes back having forgotten all.
func TestConsulAway(t *testing.T) {
	port := realbin.FreePort(t)
	addr := fmt.Sprintf("127.0.0.1:%d", port)
	r := start(t, &world{}, testEndpoint, "server: "+addr)
	r.set(true, "webapp/web1:8000")
	await(t, "an error", func() bool { return r.metric(t, "fedscrape_publish_errors_total") >= 3 })
	for round := range 2 {
		agent := realbin.ConsulAgent(t, realbin.ConsulOptions{HTTPPort: port})
		newConsul(t, addr, "").awaitInstances(t, "fedscrape", "webapp/web1:8000")
		await(t, "the good news", func() bool { return strings.Count(r.log.String(), "Publishing works again") == round+1 })
		agent.Kill()
		before := r.metric(t, "fedscrape_publish_errors_total")
		await(t, "more errors", func() bool { return r.metric(t, "fedscrape_publish_errors_total") >= before+5 })
	}
	// A connection that breaks is told apart from one that is refused; no error is told twice in a row.
	last := ""
	for line := range strings.Lines(r.log.String()) {
		_, text, _ := strings.Cut(line, " ")
		if text == last {
			t.Errorf("told twice: %s", line)
		}
		last = text
	}
	if n := strings.Count(r.log.String(), "Publishing has an error"); n < 3 || n > 20 {
		t.Errorf("%d errors in the log:\n%s", n, r.log)
	}
}

// TestHangingAgent: neither a reload nor the end waits for an agent that never answers.
func TestHangingAgent(t *testing.T) {
	release := make(chan struct{})
	hanging := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.Contains(r.URL.Path, "/services") {
			_, _ = w.Write([]byte(`{"` + serviceID(idPrefix("fedscrape", testEndpoint.Federator), discovery.InstanceID{Job: "a"}) + `":{}}`))
			return
		}
		select {
		case <-release:
		case <-r.Context().Done():
		}
	}))
	defer hanging.Close()
	defer close(release)
	r := start(t, &world{}, testEndpoint, "server: "+strings.TrimPrefix(hanging.URL, "http://"))
	r.set(true, "webapp/web1:8000", "webapp/web2:8000")
	await(t, "its connection", func() bool { return r.metric(t, "fedscrape_published_instances") == 0 })
	begun := time.Now()
	r.stop()
	if took := time.Since(begun); took > testPace.goodbye+10*time.Second {
		t.Errorf("the end took %v", took)
	}
}

// TestRights has a Consul with ACLs.
func TestRights(t *testing.T) {
	const management = "11111111-1111-1111-1111-111111111111"
	addr := realbin.StartConsul(t, realbin.ConsulOptions{HCL: `acl {
  enabled = true
  default_policy = "deny"
  tokens { initial_management = "` + management + `" agent = "` + management + `" default = "` + management + `" }
}`})
	c := newConsul(t, addr, management)
	if _, _, err := c.api.ACL().PolicyCreate(&consulapi.ACLPolicy{Name: "publish", Rules: `service "fedscrape" { policy = "write" }`}, nil); err != nil {
		t.Fatal(err)
	}
	token := func(secret string, policies ...*consulapi.ACLLink) {
		t.Helper()
		if _, _, err := c.api.ACL().TokenCreate(&consulapi.ACLToken{SecretID: secret, Policies: policies}, nil); err != nil {
			t.Fatal(err)
		}
	}
	const good, poor = "22222222-2222-2222-2222-222222222222", "33333333-3333-3333-3333-333333333333"
	token(good, &consulapi.ACLLink{Name: "publish"})
	token(poor)

	r := start(t, &world{}, testEndpoint, "server: "+addr+"\ntoken: "+poor)
	r.set(true, "webapp/web1:8000")
	await(t, "the error", func() bool { return strings.Contains(r.log.String(), `give the token service:write on`) })
	r.Apply(options(t, "server: "+addr+"\ntoken: "+good))
	c.awaitInstances(t, "fedscrape", "webapp/web1:8000")
	r.set(true)
	c.awaitInstances(t, "fedscrape")
	r.set(true, "webapp/web1:8000")
	c.awaitInstances(t, "fedscrape", "webapp/web1:8000")
	r.stop()
	if left := c.entries(t, "fedscrape"); len(left) != 0 {
		t.Errorf("left after the end: %v", left)
	}
	for _, secret := range []string{good, poor, management} {
		if strings.Contains(r.log.String(), secret) {
			t.Errorf("a token is in the log:\n%s", r.log)
		}
	}
}
