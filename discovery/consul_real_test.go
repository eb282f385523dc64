package discovery

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fedscrape/fedscrape/discovery/registry"
	"github.com/fedscrape/fedscrape/internal/realbin"
)

// agent is a Consul that is well.
type agent struct{ addr, token string }

// put sends one request to the agent and gives the answer.
func (a agent) put(t testing.TB, path string, body any) string {
	t.Helper()
	return a.send(t, http.MethodPut, path, body)
}

func (a agent) send(t testing.TB, method, path string, body any) string {
	t.Helper()
	var encoded bytes.Buffer
	if err := json.NewEncoder(&encoded).Encode(body); err != nil {
		t.Fatal(err)
	}
	request, err := http.NewRequestWithContext(t.Context(), method, "http://"+a.addr+path, &encoded)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("X-Consul-Token", a.token)
	response, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusOK {
		t.Fatalf("%s: status %d: %s %v", path, response.StatusCode, text, err)
	}
	return string(text)
}

type object map[string]any

// register registers a worker as the helpers do.
func (a agent) register(t testing.TB, id string, port int) {
	t.Helper()
	a.put(t, "/v1/agent/service/register", object{
		"Name": "webapp", "ID": id, "Address": "127.0.0.1", "Port": port, "Tags": []string{"fedscrape"},
		"Meta":  object{"instance": "web1:8000", "worker_id": id},
		"Check": object{"CheckID": "check:" + id, "TTL": "15s", "Status": "passing"},
	})
}

func (a agent) sd(more string) string {
	return fmt.Sprintf(`consul_sd_configs: [{server: "%s", token: "%s"%s}]`, a.addr, a.token, more)
}

// onBoth runs a test with a real Consul and with the embedded registry.
func onBoth(t *testing.T, test func(*testing.T, agent)) {
	t.Helper()
	t.Run("registry", func(t *testing.T) { test(t, embedded(t)) })
	t.Run("Consul", func(t *testing.T) { test(t, agent{addr: realConsul(t)}) })
}

func embedded(t testing.TB) agent {
	t.Helper()
	r := registry.New(registry.Options{Node: "web1"})
	server := httptest.NewServer(r.Handler())
	t.Cleanup(func() { r.Close(); server.CloseClientConnections(); server.Close() })
	return agent{addr: server.Listener.Addr().String()}
}

func realConsul(t testing.TB) string {
	t.Helper()
	return realbin.StartConsul(t, realbin.ConsulOptions{Node: "web1"})
}

func TestConsulTellsOfAWorkerWithinASecond(t *testing.T) {
	onBoth(t, func(t *testing.T, a agent) {
		r := start(t, job(t, "webapp", a.sd(", services: [webapp]")))
		r.await(t, "the first answer", workers(0))
		best := deadline // a busy machine delays one or another of them
		for i := range 5 {
			began := time.Now()
			a.register(t, fmt.Sprint("w", i), 40001+i)
			u := r.await(t, "the worker", workers(i+1))
			best = min(best, time.Since(began))
			w := u.Workers[i]
			if w.Key != fmt.Sprintf("dc1/default/default/web1/w%d", i) || w.Node != "web1" || w.Instance != "web1:8000" || w.CreateIndex == 0 {
				t.Errorf("worker %+v", w)
			}
		}
		if best > time.Second {
			t.Errorf("of five workers the quickest is known after %v", best)
		}
		a.put(t, "/v1/agent/service/deregister/w0", nil)
		r.await(t, "the worker to go", workers(4))
	})
}

func TestConsulIsNotPolled(t *testing.T) {
	onBoth(t, func(t *testing.T, a agent) {
		var asked atomic.Int64
		proxy := httptest.NewServer(counting(&asked, httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: a.addr})))
		t.Cleanup(func() { proxy.CloseClientConnections(); proxy.Close() })
		a.register(t, "w0", 40001)
		r := start(t, job(t, "webapp", agent{addr: proxy.Listener.Addr().String()}.sd(", services: [webapp]")))
		r.await(t, "the worker", workers(1))
		for range 20 {
			a.put(t, "/v1/agent/check/pass/check:w0", nil) // heartbeats wake nobody
		}
		r.quiet(t, 2*time.Second)
		if n := asked.Load(); n > 3 { // the list, agent/self, the blocking query
			t.Errorf("asked %d times in 2s of quiet", n)
		}
		a.register(t, "w1", 40002)
		r.await(t, "the second worker", workers(2))
		r.stop()
	})
}

func counting(n *atomic.Int64, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n.Add(1)
		next.ServeHTTP(w, r)
	})
}

func TestConsulCriticalWorkersStay(t *testing.T) {
	onBoth(t, func(t *testing.T, a agent) {
		a.register(t, "w0", 40001)
		r := start(t, job(t, "webapp", a.sd(", services: [webapp]")+
			"\nrelabel_configs: [{source_labels: [__meta_consul_health], target_label: health}]"))
		r.await(t, "the worker", workers(1))
		for _, state := range []string{"fail", "warn", "pass"} {
			a.put(t, "/v1/agent/check/"+state+"/check:w0", nil)
			want := map[string]string{"fail": "critical", "warn": "warning", "pass": "passing"}[state]
			r.await(t, want, func(u Update) bool {
				if len(u.Workers) != 1 {
					t.Fatalf("%d workers while %s", len(u.Workers), want)
				}
				return u.Workers[0].Labels["health"] == want
			})
		}
	})
}

func TestRealConsulRestarted(t *testing.T) {
	process := realbin.ConsulAgent(t, realbin.ConsulOptions{Node: "web1"})
	a := agent{addr: process.Addr}
	for i := range 5 {
		a.register(t, fmt.Sprint("w", i), 40001+i)
	}
	r := start(t, job(t, "webapp", a.sd(", services: [webapp]")))
	r.await(t, "the workers", workers(5))
	process.Kill()
	if u := r.await(t, "the error", failing); len(u.Workers) != 5 || !u.Answered {
		t.Errorf("%d workers while Consul is away, answered %v", len(u.Workers), u.Answered)
	}
	port := 0
	if _, err := fmt.Sscanf(process.Addr[strings.LastIndex(process.Addr, ":")+1:], "%d", &port); err != nil {
		t.Fatal(err)
	}
	realbin.StartConsul(t, realbin.ConsulOptions{Node: "web1", HTTPPort: port})
	r.await(t, "an empty registry's answer", workers(0))
	a.register(t, "new", 40009)
	r.await(t, "the new worker", workers(1))
}

func TestRealConsulOfOtherNodes(t *testing.T) {
	a := agent{addr: realConsul(t)}
	a.register(t, "w0", 40001)
	for i, address := range []string{"127.0.0.1", "10.0.0.6"} {
		a.put(t, "/v1/catalog/register", object{"Node": "web2", "Address": "10.0.0.6", "Service": object{
			"Service": "webapp", "ID": fmt.Sprint("other", i), "Address": address, "Port": 40001,
		}})
	}
	r := start(t, job(t, "all", a.sd(", services: [webapp]")), job(t, "local", a.sd(", services: [webapp], local: true")),
		job(t, "tagged", a.sd(", tags: [fedscrape]")))
	want := map[string]string{"all": "w0 other1", "local": "w0", "tagged": "w0"}
	r.await(t, "all jobs", func(u Update) bool {
		if !u.Answered || u.Err != nil {
			return false
		}
		var ids []string
		for _, w := range u.Workers {
			ids = append(ids, w.ServiceID)
		}
		if got := strings.Join(ids, " "); got != want[u.Job] {
			t.Errorf("job %s: %q, want %q", u.Job, got, want[u.Job])
		}
		delete(want, u.Job)
		return len(want) == 0
	})
}

func TestConsulLookup(t *testing.T) {
	onBoth(t, func(t *testing.T, a agent) {
		r := start(t, job(t, "webapp", a.sd(`, services: [webapp], health_filter: 'Service.Port != 1'`)))
		r.await(t, "the first answer", workers(0))
		a.register(t, `web/app"-1`, 40001)
		a.register(t, "other", 40002)
		got, err := r.Lookup(t.Context(), "webapp", `web/app"-1`)
		if err != nil || len(got) != 1 || got[0].Address != "127.0.0.1:40001" {
			t.Errorf("%+v %v", got, err)
		}
		got, err = r.Lookup(t.Context(), "webapp", "unknown")
		if err != nil || len(got) != 0 {
			t.Errorf("%+v %v", got, err)
		}
	})
}

// A token that may read the service but not its node gets an answer with something left out, which must not look like
// workers that have gone.
func TestRealConsulFilteredByACLs(t *testing.T) {
	const root = "4b8e2f5c-0000-4000-8000-000000000001"
	a := agent{token: root, addr: realbin.StartConsul(t, realbin.ConsulOptions{
		Node: "web1",
		HCL:  `acl { enabled = true default_policy = "deny" tokens { initial_management = "` + root + `" default = "` + root + `" } }`,
	})}
	a.register(t, "w0", 40001)
	policy := func(name, rules string) string {
		a.put(t, "/v1/acl/policy", object{"Name": name, "Rules": rules})
		var made struct{ SecretID string }
		text := a.put(t, "/v1/acl/token", object{"Policies": []object{{"Name": name}}})
		if err := json.Unmarshal([]byte(text), &made); err != nil {
			t.Fatal(err)
		}
		return made.SecretID
	}
	good := agent{addr: a.addr, token: policy("good", `service_prefix "" { policy = "read" } node_prefix "" { policy = "read" } agent_prefix "" { policy = "read" }`)}
	weak := agent{addr: a.addr, token: policy("weak", `service_prefix "" { policy = "read" }`)}
	r := start(t, job(t, "good", good.sd(", services: [webapp]")), job(t, "weak", weak.sd(", services: [webapp]")))
	var well, filtered bool
	r.await(t, "both jobs", func(u Update) bool {
		switch u.Job {
		case "good":
			well = workers(1)(u)
		case "weak":
			if u.Answered {
				t.Fatalf("a filtered answer counts: %+v", u)
			}
			filtered = u.Err != nil && strings.Contains(u.Err.Error(), "node:read")
		}
		return well && filtered
	})
}
