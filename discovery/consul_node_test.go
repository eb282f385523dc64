package discovery

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

	"github.com/google/go-cmp/cmp"

	"github.com/fedscrape/fedscrape/internal/realbin"
)

// answers counts what a Consul has answered to questions with an index: each is a wake.
type answers struct{ woken, all atomic.Int64 }

// before gives an agent whose answers are counted.
func (n *answers) before(t *testing.T, a agent) agent {
	t.Helper()
	next := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: a.addr})
	next.ErrorHandler = func(http.ResponseWriter, *http.Request, error) { panic(http.ErrAbortHandler) }
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer n.all.Add(1)
		next.ServeHTTP(w, r)
		if r.URL.Query().Has("index") {
			n.woken.Add(1)
		}
	}))
	t.Cleanup(func() { proxy.CloseClientConnections(); proxy.Close() })
	return agent{addr: proxy.Listener.Addr().String(), token: a.token}
}

// settled waits until nothing more is answered.
func (n *answers) settled() {
	for last := int64(-1); last != n.all.Load(); {
		last = n.all.Load()
		time.Sleep(2 * time.Second)
	}
}

// A local watch is woken by its own node's changes, and by none of another's: service, check and node, on the server
// and through a client agent.
func TestRealConsulLocalIsNotWokenByOtherNodes(t *testing.T) {
	agents := realbin.ConsulCluster(t, 3)
	server, client, other := agent{addr: agents[0].Addr}, agent{addr: agents[1].Addr}, agent{addr: agents[2].Addr}
	other.register(t, "stable", 40001)
	for name, own := range map[string]agent{"server": server, "client": client} {
		t.Run(name, func(t *testing.T) {
			own.register(t, "w0", 40001)
			var n answers
			r := start(t, job(t, "webapp", n.before(t, own).sd(", services: [webapp], local: true")))
			r.await(t, "the own worker", workers(1))
			n.settled()
			before := n.woken.Load()
			for i := range 20 {
				id := fmt.Sprint("other", i)
				other.register(t, id, 41000+i)
				other.put(t, "/v1/agent/check/fail/check:"+id, nil)
				other.put(t, "/v1/agent/service/deregister/"+id, nil)
			}
			n.settled()
			if woken := n.woken.Load() - before; woken != 0 {
				t.Errorf("woken %d times by 60 changes of another node", woken)
			}
			own.register(t, "w1", 40002)
			r.await(t, "the second own worker", workers(2))
			if n.woken.Load() == before {
				t.Error("not woken by the own node")
			}
			own.put(t, "/v1/agent/service/deregister/w1", nil)
			r.await(t, "the second own worker to go", workers(1))
			r.stop()
		})
	}
}

// The own node is told of in the same words as by health/service, whoever answers.
func TestConsulLocalHasTheSameLabels(t *testing.T) {
	onBoth(t, func(t *testing.T, a agent) {
		a.register(t, "w0", 40001)
		a.put(t, "/v1/agent/service/register", object{
			"Name": "webapp", "ID": "bare", "Port": 40002, "Tags": []string{"fedscrape"}, "EnableTagOverride": true,
			"Check": object{"TTL": "15s"}, // critical
		})
		rules := "\nrelabel_configs: [{action: labelmap, regex: __meta_(.+)}]"
		all := `, services: [webapp], tags: [fedscrape]`
		r := start(t, job(t, "all", a.sd(all)+rules), job(t, "local", a.sd(all+", local: true")+rules))
		got := map[string][]string{}
		r.await(t, "both jobs", func(u Update) bool {
			if !workers(2)(u) || !strings.Contains(fmt.Sprint(u.Workers), "critical") {
				return false
			}
			got[u.Job] = nil
			for _, w := range u.Workers {
				delete(w.Labels, "job")
				got[u.Job] = append(got[u.Job], fmt.Sprint(w.Key, w.Address, w.ServiceID, w.Node, w.CreateIndex, w.Labels))
			}
			return len(got) == 2
		})
		if diff := cmp.Diff(got["all"], got["local"]); diff != "" {
			t.Errorf("(-health/service +own node):\n%s", diff)
		}
	})
}

func TestConsulLocalChangesOfHealthAndLookup(t *testing.T) {
	onBoth(t, func(t *testing.T, a agent) {
		a.register(t, "w0", 40001)
		r := start(t, job(t, "webapp", a.sd(", local: true, tags: [fedscrape]")+
			"\nrelabel_configs: [{source_labels: [__meta_consul_health], target_label: health}]"))
		r.await(t, "the worker", workers(1))
		for state, want := range map[string]string{"fail": "critical", "warn": "warning"} {
			a.put(t, "/v1/agent/check/"+state+"/check:w0", nil)
			r.await(t, want, func(u Update) bool { return workers(1)(u) && u.Workers[0].Labels["health"] == want })
		}
		a.register(t, "w1", 40002)
		if got, err := r.Lookup(t.Context(), "webapp", "w1"); err != nil || len(got) != 1 || got[0].ServiceID != "w1" {
			t.Errorf("%+v %v", got, err)
		}
		if got, err := r.Lookup(t.Context(), "webapp", "unknown"); err != nil || len(got) != 0 {
			t.Errorf("%+v %v", got, err)
		}
	})
}

// The same service ID on two nodes is two workers; loopback addresses count on the own node only.
func TestRealConsulOneServiceIDOnTwoNodes(t *testing.T) {
	agents := realbin.ConsulCluster(t, 2)
	var jobs []Job
	for i, p := range agents {
		a := agent{addr: p.Addr}
		a.put(t, "/v1/agent/service/register", object{"Name": "webapp", "ID": "w0", "Address": fmt.Sprintf("10.0.0.%d", i), "Port": 40001})
		a.register(t, "w1", 40002)
		jobs = append(jobs, job(t, fmt.Sprint("local", i+1), a.sd(", services: [webapp], local: true")))
	}
	jobs = append(jobs, job(t, "all", agent{addr: agents[0].Addr}.sd(", services: [webapp]")))
	want := map[string]string{
		"local1": "node1/w0 node1/w1", "local2": "node2/w0 node2/w1", "all": "node1/w0 node1/w1 node2/w0",
	}
	r := start(t, jobs...)
	r.await(t, "all jobs", func(u Update) bool {
		var keys []string
		for _, w := range u.Workers {
			keys = append(keys, strings.TrimPrefix(w.Key, "dc1/default/default/"))
		}
		if strings.Join(keys, " ") == want[u.Job] {
			delete(want, u.Job)
		}
		return len(want) == 0
	})
}

func TestLocalNodeMeta(t *testing.T) {
	f := func(meta, wanted map[string]string, want bool) {
		t.Helper()
		if hasMeta(meta, wanted) != want {
			t.Errorf("%v of %v: not %v", wanted, meta, want)
		}
	}
	f(nil, nil, true)
	f(nil, map[string]string{"a": ""}, false)
	f(map[string]string{"a": "1", "b": "2"}, map[string]string{"a": "1"}, true)
	f(map[string]string{"a": "1"}, map[string]string{"a": "2"}, false)
}
