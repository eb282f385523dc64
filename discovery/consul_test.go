package discovery

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus/testutil"
)

func health(r *http.Request) bool { return strings.HasPrefix(r.URL.Path, "/v1/health/") }

func TestErrorsKeepTheLastKnownWorkers(t *testing.T) {
	for _, tc := range []struct {
		name, want string
		spoil      func(http.ResponseWriter, *http.Request) bool
	}{
		{"status 500", "HTTP status 500: rpc error", func(w http.ResponseWriter, _ *http.Request) bool {
			http.Error(w, "rpc error\nsecond line", http.StatusInternalServerError)
			return true
		}},
		{"filtered by ACLs", "may not read", func(w http.ResponseWriter, _ *http.Request) bool {
			w.Header().Set("X-Consul-Results-Filtered-By-ACLs", "true")
			_, _ = w.Write([]byte("[]"))
			return true
		}},
		{"half an answer", "unexpected EOF", func(w http.ResponseWriter, _ *http.Request) bool {
			_, _ = w.Write([]byte(`[{"Node":`))
			return true
		}},
		{"a page of HTML", "invalid character", func(w http.ResponseWriter, _ *http.Request) bool {
			_, _ = w.Write([]byte(`<html>`))
			return true
		}},
		{"an empty entry", "no node or no service", func(w http.ResponseWriter, _ *http.Request) bool {
			_, _ = w.Write([]byte(`[{}]`))
			return true
		}},
		{"no index", "without X-Consul-Index", func(w http.ResponseWriter, _ *http.Request) bool {
			w.Header().Del("X-Consul-Index")
			_, _ = w.Write([]byte("[]"))
			return true
		}},
		{"connection dropped", "EOF", func(http.ResponseWriter, *http.Request) bool { panic(http.ErrAbortHandler) }},
	} {
		t.Run(tc.name, func(t *testing.T) {
			consul := newFakeConsul(t)
			consul.register("webapp", "web1", "10.0.0.5", 40001)
			r := start(t, job(t, "webapp", consul.sd(", services: [webapp]")))
			first := r.await(t, "the worker", workers(1))
			consul.spoilWith(func(w http.ResponseWriter, r *http.Request) bool { return health(r) && tc.spoil(w, r) })
			got := r.await(t, "the error", failing)
			if !strings.Contains(got.Err.Error(), tc.want) || !strings.Contains(got.Err.Error(), consul.Listener.Addr().String()) {
				t.Errorf("error %q, want %q and the server in it", got.Err, tc.want)
			}
			if diff := cmp.Diff(first.Workers, got.Workers); diff != "" || !got.Answered {
				t.Errorf("workers while in error (-before +now), answered %v:\n%s", got.Answered, diff)
			}
			consul.spoilWith(nil)
			r.await(t, "the end of the error", workers(1))
			before := len(consul.asked("/v1/health/"))
			consul.register("webapp", "web1", "10.0.0.5", 40002)
			r.await(t, "a second worker", workers(2))
			if asked := len(consul.asked("/v1/health/")) - before; asked > 3 {
				t.Errorf("asked %d times for one change", asked)
			}
		})
	}
}

func TestErrorsAreLoggedOncePerChangeAndCountedEachTime(t *testing.T) {
	consul := newFakeConsul(t)
	consul.spoilWith(func(_ http.ResponseWriter, r *http.Request) bool {
		if health(r) {
			panic(http.ErrAbortHandler)
		}
		return false
	})
	r := start(t, job(t, "webapp", consul.sd(", services: [webapp]")))
	if got := r.await(t, "the error", failing); got.Answered {
		t.Error("an error is an answer")
	}
	attempts(t, consul, 3)
	logged(t, r, "level=ERROR", 1)
	consul.spoilWith(nil)
	r.await(t, "the first answer", workers(0))
	logged(t, r, "answers again", 1)
	attempts(t, consul, len(consul.asked("/v1/health/"))+1) // the blocking query, whose URL is another one
	consul.spoilWith(func(http.ResponseWriter, *http.Request) bool { panic(http.ErrAbortHandler) })
	attempts(t, consul, len(consul.asked("/v1/health/"))+3)
	logged(t, r, "level=ERROR", 2)
	if n := testutil.ToFloat64(r.metrics.errors.WithLabelValues("webapp")); n < 2 {
		t.Errorf("%v errors counted", n)
	}
	if at := testutil.ToFloat64(r.metrics.lastSuccess.WithLabelValues("webapp")); at < float64(time.Now().Add(-time.Minute).Unix()) {
		t.Errorf("last success at %v", at)
	}
}

func attempts(t *testing.T, consul *fakeConsul, least int) {
	t.Helper()
	for began := time.Now(); len(consul.asked("/v1/health/")) < least; time.Sleep(5 * time.Millisecond) {
		if time.Since(began) > deadline {
			t.Fatalf("asked %d times, not %d", len(consul.asked("/v1/health/")), least)
		}
	}
}

func logged(t *testing.T, r *running, what string, times int) {
	t.Helper()
	if n := strings.Count(r.log.String(), what); n != times {
		t.Errorf("%s is logged %d times, not %d:\n%s", what, n, times, r.log)
	}
}

// A server that says 429 or 503 with Retry-After is left alone for that long.
func TestRetryAfter(t *testing.T) {
	for _, status := range []int{http.StatusTooManyRequests, http.StatusServiceUnavailable} {
		consul := newFakeConsul(t)
		refused := make(chan time.Time, 10)
		consul.spoilWith(func(w http.ResponseWriter, _ *http.Request) bool {
			if len(refused) > 0 {
				return false
			}
			refused <- time.Now()
			w.Header().Set("Retry-After", "1")
			w.WriteHeader(status)
			return true
		})
		r := start(t, job(t, "webapp", consul.sd(", services: [webapp]")))
		r.await(t, "the first answer", workers(0))
		if waited := time.Since(<-refused); waited < time.Second {
			t.Errorf("status %d: asked again after %v", status, waited)
		}
		r.stop()
	}
}

func TestAnswerIsBounded(t *testing.T) {
	body := &boundedBody{ReadCloser: http.NoBody, left: 0, limit: consulBodyLimit}
	if _, err := body.Read(make([]byte, 1)); err == nil || !strings.Contains(err.Error(), "256 MB") {
		t.Error(err)
	}
}

// What the options say is what Consul is asked.
func TestQueries(t *testing.T) {
	consul := newFakeConsul(t)
	r := start(t, job(t, "webapp", consul.sd(`, services: [webapp], tags: [a, b], node_meta: {rack: "7"}, health_filter: 'Service.Port > 1',
		token: secret, datacenter: dc9, namespace: ns, partition: pt, path_prefix: /consul`)))
	r.await(t, "an answer", failing) // the fake knows no prefix, and answers as to catalog/services
	got := consul.asked("/consul/v1/health/service/webapp")
	if len(got) == 0 {
		t.Fatal("not asked")
	}
	want := map[string][]string{
		"tag": {"a", "b"}, "node-meta": {"rack:7"}, "filter": {"Service.Port > 1"}, "stale": {""}, "dc": {"dc9"}, "ns": {"ns"}, "partition": {"pt"},
	}
	if diff := cmp.Diff(want, map[string][]string(got[0].URL.Query())); diff != "" {
		t.Errorf("query (-want +got):\n%s", diff)
	}
	if got[0].Header.Get("X-Consul-Token") != "secret" {
		t.Error("no token")
	}
}

func TestAllStatesAreAskedFor(t *testing.T) {
	consul := newFakeConsul(t)
	r := start(t, job(t, "webapp", consul.sd(", services: [webapp], allow_stale: false")))
	r.await(t, "an answer", workers(0))
	if query := consul.asked("/v1/health/")[0].URL.Query(); query.Has("passing") || query.Has("stale") {
		t.Errorf("query %v", query)
	}
}

// Without names all services are watched, those that have the tags, as they come and go.
func TestAllServices(t *testing.T) {
	consul := newFakeConsul(t)
	consul.register("webapp", "web1", "10.0.0.5", 40001)
	consul.register("other", "web1", "10.0.0.5", 40002)
	consul.change(func() { consul.tags["webapp"] = []string{"fedscrape", "x"} })
	r := start(t, job(t, "all", consul.sd("")), job(t, "tagged", consul.sd(", tags: [fedscrape]")))
	got := map[string]int{}
	r.await(t, "both jobs", func(u Update) bool {
		if u.Answered {
			got[u.Job] = len(u.Workers)
		}
		return got["all"] == 2 && got["tagged"] == 1
	})
	consul.change(func() { consul.tags["webapp"] = []string{"x"} })
	r.await(t, "the tag gone", func(u Update) bool { return u.Job == "tagged" && len(u.Workers) == 0 && u.Answered })
	consul.register("late", "web1", "10.0.0.5", 40003)
	r.await(t, "a new service", func(u Update) bool { return u.Job == "all" && len(u.Workers) == 3 && u.Answered })
	consul.change(func() { delete(consul.services, "other") })
	r.await(t, "a service gone", func(u Update) bool { return u.Job == "all" && len(u.Workers) == 2 && u.Answered })
}

// Three hundred services take turns: Consul refuses more than 200 connections.
func TestManyServicesTakeTurns(t *testing.T) {
	consul := newFakeConsul(t)
	for i := range 300 {
		consul.register(fmt.Sprint("s", i), "web1", "10.0.0.5", 40001)
	}
	r := start(t, job(t, "all", consul.sd("")))
	r.await(t, "all services", workers(300))
	attempts(t, consul, 500) // 200 of them have waited
	consul.register("s299", "web1", "10.0.0.5", 40002)
	r.await(t, "a change of the last", workers(301))
	r.stop()
	consul.mu.Lock()
	defer consul.mu.Unlock()
	if consul.mostBlocked > maxQueries+1 { // and the list of services
		t.Errorf("%d questions at once", consul.mostBlocked)
	}
}

// An answer that says nothing new is not handed on, nor has all that is known relabeled.
func TestSameAnswerIsNoNews(t *testing.T) {
	told := 0
	part := &consulPart{}
	r := &consulRun{catalog: true, parts: map[string]*consulPart{"s": part}, sink: sink{changed: func(found) { told++ }}}
	f := func(what string, news int, id string, createIndex uint64, port string, err error) {
		t.Helper()
		told = 0
		r.setPart("s", part, []candidate{{key: id, createIndex: createIndex, labels: map[string]string{"__address__": port}}}, err)
		if told != news {
			t.Errorf("%s: told %d times", what, told)
		}
	}
	f("the first answer", 1, "a", 1, ":1", nil)
	f("the same", 0, "a", 1, ":1", nil)
	f("another label", 1, "a", 1, ":2", nil)
	f("registered anew", 1, "a", 2, ":2", nil)
	f("another worker", 1, "b", 2, ":2", nil)
	f("an error", 1, "b", 2, ":2", errors.New("away"))
	f("well again", 1, "b", 2, ":2", nil)
	f("the same again", 0, "b", 2, ":2", nil)
	part.candidates, part.answered = nil, false
	told = 0
	if r.setPart("s", part, nil, nil); told != 1 {
		t.Errorf("an empty first answer: told %d times", told)
	}
}

func TestCatalogErrorKeepsTheServices(t *testing.T) {
	consul := newFakeConsul(t)
	consul.register("webapp", "web1", "10.0.0.5", 40001)
	r := start(t, job(t, "all", consul.sd("")))
	r.await(t, "the worker", workers(1))
	consul.spoilWith(func(w http.ResponseWriter, r *http.Request) bool {
		if health(r) {
			return false
		}
		w.Header().Set("X-Consul-Results-Filtered-By-ACLs", "true")
		_, _ = w.Write([]byte("{}"))
		return true
	})
	if got := r.await(t, "the error", failing); len(got.Workers) != 1 {
		t.Errorf("%d workers while the list of services is in error", len(got.Workers))
	}
}

func TestOneClientPerServer(t *testing.T) {
	consul := newFakeConsul(t)
	server := consul.sd("")
	var jobs []Job
	for i := range 3 {
		jobs = append(jobs, job(t, fmt.Sprint("job", i), server))
	}
	r := start(t, jobs...)
	for range jobs {
		r.await(t, "each job", workers(0))
	}
	if n := len(r.pool.clients); n != 1 {
		t.Errorf("%d clients", n)
	}
	r.stop()
	if n := len(r.pool.clients); n != 0 {
		t.Errorf("%d clients after the end", n)
	}
}

func TestLookup(t *testing.T) {
	consul := newFakeConsul(t)
	r := start(t, job(t, "webapp", consul.sd(", services: [webapp]")))
	r.await(t, "an answer", workers(0))
	consul.register("webapp", "web1", "10.0.0.5", 40001)
	f := func(job, id string, want int) {
		t.Helper()
		got, err := r.Lookup(t.Context(), job, id)
		if err != nil || len(got) != want {
			t.Errorf("%s %s: %v, error %v", job, id, got, err)
		}
	}
	f("webapp", "webapp-40001", 1)
	f("webapp", "webapp-40002", 0)
	f("other", "webapp-40001", 0)
	asked := len(consul.asked("/v1/catalog/services"))
	if asked != 0 {
		t.Errorf("the catalog was asked %d times for services that the options name", asked)
	}
	consul.spoilWith(func(http.ResponseWriter, *http.Request) bool { panic(http.ErrAbortHandler) })
	if _, err := r.Lookup(t.Context(), "webapp", "webapp-40001"); err == nil {
		t.Error("no error while Consul is away")
	}
}

// A service's first registration is found too where all services are watched: no watch has shown the service yet. Of many
// services the one that the ID is made of is asked first, and alone if it knows the worker.
func TestLookupOfANewService(t *testing.T) {
	consul := newFakeConsul(t)
	for i := range 50 {
		consul.register(fmt.Sprintf("a%02d", i), "web1", "10.0.0.5", 30000+i)
	}
	r := start(t, job(t, "webapp", consul.sd(", tags: []")))
	r.await(t, "an answer", workers(50))
	consul.spoilWith(func(_ http.ResponseWriter, r *http.Request) bool {
		if r.URL.Query().Get("index") != "" {
			panic(http.ErrAbortHandler) // the watches see nothing any more
		}
		return false
	})
	consul.register("new", "web1", "10.0.0.5", 40001)
	before := len(consul.asked("/v1/health/service/"))
	got, err := r.Lookup(t.Context(), "webapp", "new-40001")
	if err != nil || len(got) != 1 || got[0].ServiceID != "new-40001" {
		t.Errorf("%v, error %v", got, err)
	}
	plain := 0
	for _, r := range consul.asked("/v1/health/service/")[before:] {
		if strings.HasSuffix(r.URL.Path, "/new") && r.URL.Query().Get("index") == "" {
			plain++
		} else if r.URL.Query().Get("filter") != "" {
			t.Errorf("%s was asked too", r.URL)
		}
	}
	if plain != 1 {
		t.Errorf("the service was asked %d times", plain)
	}
	if got, err := r.Lookup(t.Context(), "webapp", "new-40002"); err != nil || len(got) != 0 {
		t.Errorf("%v, error %v", got, err)
	}
}
