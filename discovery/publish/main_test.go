package publish

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	consulapi "github.com/hashicorp/consul/api"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"
	"go.yaml.in/yaml/v2"

	"github.com/fedscrape/fedscrape/discovery"
	"github.com/fedscrape/fedscrape/discovery/registry"
	"github.com/fedscrape/fedscrape/internal/realbin"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// deadline is longer than anything takes that happens at all, on a machine that does other things, too.
const deadline = time.Minute

// await polls until ok.
func await(t *testing.T, what string, ok func() bool) {
	t.Helper()
	end := time.Now().Add(deadline)
	for !ok() {
		if time.Now().After(end) {
			t.Fatalf("waited %v for %s", deadline, what)
		}
		select {
		case <-t.Context().Done():
			t.Fatal("the test is over")
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// consuls runs a test over the embedded registry and a real Consul.
func consuls(t *testing.T, test func(t *testing.T, c *consul)) {
	t.Run("embedded", func(t *testing.T) {
		embedded := registry.New(registry.Options{Node: "web1"})
		server := httptest.NewServer(embedded.Handler())
		t.Cleanup(func() { embedded.Close(); server.CloseClientConnections(); server.Close() })
		test(t, newConsul(t, strings.TrimPrefix(server.URL, "http://"), ""))
	})
	t.Run("consul", func(t *testing.T) {
		test(t, newConsul(t, realbin.StartConsul(t, realbin.ConsulOptions{}), ""))
	})
}

// consul is what a test sees of one.
type consul struct {
	addr string
	api  *consulapi.Client
}

func newConsul(t *testing.T, addr, token string) *consul {
	t.Helper()
	c, err := consulapi.NewClient(&consulapi.Config{
		Address: addr, Token: token, HttpClient: &http.Client{Transport: &http.Transport{DisableKeepAlives: true}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return &consul{addr, c}
}

// entries are the registrations of a service, by instance.
func (c *consul) entries(t *testing.T, service string) map[string]*consulapi.ServiceEntry {
	t.Helper()
	list, _, err := c.api.Health().Service(service, "", false, nil)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]*consulapi.ServiceEntry{}
	for _, e := range list {
		out[e.Service.Meta["job"]+"/"+e.Service.Meta["instance"]] = e
	}
	if len(out) != len(list) {
		t.Errorf("an instance is there twice: %d registrations, %d instances", len(list), len(out))
	}
	return out
}

// awaitInstances waits until just these are registered.
func (c *consul) awaitInstances(t *testing.T, service string, want ...string) map[string]*consulapi.ServiceEntry {
	t.Helper()
	slices.Sort(want)
	var found map[string]*consulapi.ServiceEntry
	await(t, "the instances "+strings.Join(want, ", "), func() bool {
		found = c.entries(t, service)
		var got []string
		for name := range found {
			got = append(got, name)
		}
		slices.Sort(got)
		return slices.Equal(got, want)
	})
	return found
}

// world is what the publisher under test is told.
type world struct {
	mu    sync.Mutex
	known []discovery.InstanceID
	whole bool
}

func (w *world) set(whole bool, instances ...string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.known, w.whole = nil, whole
	for _, name := range instances {
		job, instance, _ := strings.Cut(name, "/")
		w.known = append(w.known, discovery.InstanceID{Job: job, Instance: instance})
	}
}

func (w *world) instances() ([]discovery.InstanceID, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.known), w.whole
}

// running is a publisher under test.
type running struct {
	*Publisher
	*world
	registry *prometheus.Registry
	log      *syncBuffer
	stop     func()
}

var testEndpoint = Endpoint{Scheme: "http", Host: "192.0.2.7", Port: 9390, MetricsPath: "/merged", Federator: "web1-9390"}

// testPace is that of a federator whose second has 20 ms.
var testPace = pace{poll: 10 * time.Millisecond, heartbeat: 100 * time.Millisecond, ttl: 15 * time.Second, goodbye: time.Second}

// start runs a publisher until the test ends.
func start(t *testing.T, w *world, e Endpoint, entries ...string) *running {
	t.Helper()
	r := &running{world: w, registry: prometheus.NewRegistry(), log: &syncBuffer{}}
	r.Publisher = New(Parts{
		Logger: slog.New(slog.NewTextHandler(r.log, nil)), Registerer: r.registry, Instances: w.instances,
		Endpoint: func() Endpoint { return e }, pace: testPace,
	})
	r.Apply(options(t, entries...))
	ctx, cancel := context.WithCancel(context.Background())
	var group sync.WaitGroup
	group.Go(func() {
		if err := r.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	r.stop = sync.OnceFunc(func() { cancel(); group.Wait() })
	t.Cleanup(r.stop)
	return r
}

// options decodes entries as the configuration does.
func options(t *testing.T, entries ...string) []*Options {
	t.Helper()
	var all []*Options
	for _, text := range entries {
		o := &Options{}
		if err := yaml.UnmarshalStrict([]byte(text), o); err != nil {
			t.Fatal(err)
		}
		all = append(all, o)
	}
	if err := ValidateAll(all); err != nil {
		t.Fatal(err)
	}
	return all
}

// metric sums a metric's series; -1 where there is none.
func (r *running) metric(t *testing.T, name string) float64 {
	t.Helper()
	families, err := r.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	sum := -1.0
	for _, f := range families {
		if f.GetName() == name {
			sum = 0
			for _, m := range f.GetMetric() {
				sum += m.GetCounter().GetValue() + m.GetGauge().GetValue()
			}
		}
	}
	return sum
}

type syncBuffer struct {
	mu     sync.Mutex
	buffer bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buffer.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buffer.String()
}

// errText is an error's text, empty where there is none.
func errText(err error) string { return strings.TrimSpace(errors.Join(err, errors.New("")).Error()) }
