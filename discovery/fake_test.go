package discovery

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	consulapi "github.com/hashicorp/consul/api"
)

// fakeConsul misbehaves as told, which a real one does not: it is for the rules about errors. What Consul does when it
// is well is tested with a real one.
type fakeConsul struct {
	*httptest.Server

	mu       sync.Mutex
	index    uint64
	services map[string][]*consulapi.ServiceEntry
	tags     map[string][]string
	node     string
	// spoil answers in Consul's place where it says true.
	spoil    func(http.ResponseWriter, *http.Request) bool
	requests []*http.Request
	woken    chan struct{}
	// mostBlocked is the most requests that were there at once.
	blocked, mostBlocked int
}

func newFakeConsul(t testing.TB) *fakeConsul {
	f := &fakeConsul{
		index: 10, node: "web1", woken: make(chan struct{}),
		services: map[string][]*consulapi.ServiceEntry{}, tags: map[string][]string{},
	}
	f.Server = httptest.NewServer(f)
	t.Cleanup(f.Close)
	return f
}

// Close lets go of blocked queries first.
func (f *fakeConsul) Close() {
	f.CloseClientConnections()
	f.Server.Close()
}

// change changes the state, and wakes whoever waits for a change.
func (f *fakeConsul) change(do func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	do()
	f.index++
	close(f.woken)
	f.woken = make(chan struct{})
}

// register adds a registration; the port makes the ID.
func (f *fakeConsul) register(service, node, address string, port int) {
	f.change(func() {
		e := &consulapi.ServiceEntry{
			Node: &consulapi.Node{Node: node, Address: "10.0.0.1", Datacenter: "dc1"},
			Service: &consulapi.AgentService{
				ID: fmt.Sprintf("%s-%d", service, port), Service: service, Address: address, Port: port, CreateIndex: f.index,
			},
		}
		f.services[service] = append(f.services[service], e)
	})
}

func (f *fakeConsul) spoilWith(spoil func(http.ResponseWriter, *http.Request) bool) {
	f.change(func() { f.spoil = spoil })
}

// asked are the requests so far whose path begins so.
func (f *fakeConsul) asked(path string) []*http.Request {
	f.mu.Lock()
	defer f.mu.Unlock()
	var out []*http.Request
	for _, r := range f.requests {
		if strings.HasPrefix(r.URL.Path, path) {
			out = append(out, r)
		}
	}
	return out
}

func (f *fakeConsul) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.requests = append(f.requests, r)
	wait, _ := strconv.ParseUint(r.URL.Query().Get("index"), 10, 64)
	most, err := time.ParseDuration(r.URL.Query().Get("wait"))
	if err != nil {
		most = deadline
	}
	over := time.After(min(most, deadline))
	f.blocked++
	f.mostBlocked = max(f.mostBlocked, f.blocked)
	defer func() { f.blocked-- }()
	for late := false; wait > 0 && wait == f.index && !late; {
		woken := f.woken
		f.mu.Unlock()
		select {
		case <-woken:
		case <-r.Context().Done():
			late = true
		case <-over:
			late = true
		}
		f.mu.Lock()
	}
	w.Header().Set("X-Consul-Index", strconv.FormatUint(f.index, 10))
	w.Header().Set("X-Consul-LastContact", "0")
	if f.spoil != nil && f.spoil(w, r) {
		return
	}
	_ = json.NewEncoder(w).Encode(f.answer(r.URL.Path))
}

func (f *fakeConsul) answer(path string) any {
	if service, ok := strings.CutPrefix(path, "/v1/health/service/"); ok {
		return append([]*consulapi.ServiceEntry{}, f.services[service]...)
	}
	if node, ok := strings.CutPrefix(path, "/v1/catalog/node-services/"); ok {
		return f.nodeServices(node)
	}
	if strings.HasPrefix(path, "/v1/health/node/") {
		return []any{}
	}
	if path == "/v1/agent/self" {
		return map[string]any{"Config": map[string]string{"NodeName": f.node}}
	}
	out := map[string][]string{}
	for name, entries := range f.services {
		if len(entries) > 0 {
			out[name] = append([]string{}, f.tags[name]...)
		}
	}
	return out
}

func (f *fakeConsul) nodeServices(node string) *consulapi.CatalogNodeServiceList {
	out := &consulapi.CatalogNodeServiceList{Node: &consulapi.Node{Node: node, Address: "10.0.0.1", Datacenter: "dc1"}}
	for _, entries := range f.services {
		for _, e := range entries {
			if e.Node.Node == node {
				out.Services = append(out.Services, e.Service)
			}
		}
	}
	return out
}

// sd is a consul_sd_config of the server; more is further keys, each with a comma before it.
func (f *fakeConsul) sd(more string) string {
	return fmt.Sprintf(`consul_sd_configs: [{server: "%s"%s}]`, f.Listener.Addr(), more)
}
