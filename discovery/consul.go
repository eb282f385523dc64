package discovery

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	consulapi "github.com/hashicorp/consul/api"
)

// consulSource watches Consul: one blocking query per service, all states, and one for the list of services where the
// options do not name them. Prometheus' own discovery is not used, as it lets a change lie for refresh_interval and
// sleeps through the end of its context.
type consulSource struct {
	options *ConsulOptions
	pool    *clientPool
	// current is the lookup of the run; nil while there is none.
	current atomic.Pointer[lookupFunc]
}

type lookupFunc func(ctx context.Context, serviceID string) ([]candidate, error)

// consulRun is one run of a consulSource over all nodes.
type consulRun struct {
	*consulSource
	client *consulClient
	sink   sink

	mu sync.Mutex
	// catalog says that the names of the services are known; err is what is wrong with the list of them.
	catalog bool
	err     error
	parts   map[string]*consulPart
	// answered stays once it is true: a service that appears later is a change like any other.
	answered bool

	watches sync.WaitGroup
	// slots are what questions about services hold: many services take turns.
	slots chan struct{}
}

// Consul takes 200 connections per client address, workers of this host included. Up to fewServices each blocks for as
// long as it may; more take turns in maxQueries slots, and those that already block leave room for them.
const (
	fewServices = 32
	maxQueries  = 64
	turn        = time.Second
)

// consulPart is what is known of one service. Guarded by consulRun.mu.
type consulPart struct {
	stop       context.CancelFunc
	candidates []candidate
	answered   bool
	err        error
}

func (s *consulSource) run(ctx context.Context, to sink) {
	client, ok := s.connect(ctx, to)
	if !ok {
		return
	}
	defer client.close()
	defer s.current.Store(nil)
	if s.isNodeScoped() {
		r := &nodeRun{consulSource: s, client: client, sink: to}
		s.current.Store(new(lookupFunc(r.lookup)))
		r.run(ctx)
		return
	}
	r := &consulRun{consulSource: s, client: client, sink: to, parts: map[string]*consulPart{}, slots: make(chan struct{}, maxQueries)}
	s.current.Store(new(lookupFunc(r.lookup)))
	r.run(ctx)
}

func (r *consulRun) run(ctx context.Context) {
	defer r.watches.Wait()
	if r.needsCatalog() {
		w := watch{least: time.Duration(r.options.RefreshInterval), query: r.askCatalog, failed: r.catalogFailed}
		w.run(ctx)
		return
	}
	r.setServices(ctx, r.options.Services)
	<-ctx.Done()
}

// connect reads the files that the options name (certificates, passwords); they may come later than the federator.
func (s *consulSource) connect(ctx context.Context, to sink) (*consulClient, bool) {
	var wait backoff
	for {
		client, err := newConsulClient(s.options, s.pool)
		if err == nil {
			return client, true
		}
		err = fmt.Errorf("set up the client of consul at %s: %w", s.options.Server, err)
		to.attempted(err)
		to.changed(found{err: err})
		if !sleep(ctx, wait.next(0)) {
			return nil, false
		}
	}
}

// needsCatalog: services named without a filter on the catalog are watched directly, as the list of all services
// wakes for each of them; their tags are asked for with the service.
func (s *consulSource) needsCatalog() bool {
	return len(s.options.Services) == 0 || s.options.Filter != ""
}

func (r *consulRun) askCatalog(ctx context.Context, index uint64) (int, uint64, error) {
	names, known, next, err := r.listServices(ctx, consulapi.QueryOptions{WaitIndex: index, AllowStale: r.options.AllowStale})
	if err != nil {
		return 0, 0, err
	}
	r.sink.attempted(nil)
	r.setServices(ctx, names)
	return known, next, nil
}

// listServices gives the names that the options want, and of how many that Consul knows.
func (r *consulRun) listServices(ctx context.Context, query consulapi.QueryOptions) (names []string, known int, next uint64, err error) {
	query.NodeMeta, query.Filter = r.options.NodeMeta, r.options.Filter
	var services map[string][]string
	next, err = r.client.ask(ctx, query, func(q *consulapi.QueryOptions) (meta *consulapi.QueryMeta, err error) {
		services, meta, err = r.client.api.Catalog().Services(q)
		return meta, err
	})
	if err != nil {
		return nil, 0, 0, err
	}
	for _, name := range slices.Sorted(maps.Keys(services)) {
		if r.wants(name, services[name]) {
			names = append(names, name)
		}
	}
	return names, len(services), next, nil
}

func (s *consulSource) wants(name string, tags []string) bool {
	if len(s.options.Services) > 0 && !slices.Contains(s.options.Services, name) {
		return false
	}
	return !slices.ContainsFunc(s.options.Tags, func(tag string) bool { return !slices.Contains(tags, tag) })
}

func (r *consulRun) catalogFailed(err error) {
	err = fmt.Errorf("list services: %w", err)
	r.sink.attempted(err)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.err = err
	r.tell()
}

// setServices starts and stops watches so that these services are watched.
func (r *consulRun) setServices(ctx context.Context, names []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.catalog, r.err = true, nil
	for name, part := range r.parts {
		if !slices.Contains(names, name) {
			part.stop()
			delete(r.parts, name)
		}
	}
	for _, name := range names {
		if r.parts[name] == nil {
			r.startPart(ctx, name)
		}
	}
	r.tell()
}

func (r *consulRun) startPart(ctx context.Context, service string) {
	ctx, stop := context.WithCancel(ctx)
	part := &consulPart{stop: stop}
	r.parts[service] = part
	w := watch{
		least: time.Duration(r.options.RefreshInterval),
		query: func(ctx context.Context, index uint64) (int, uint64, error) {
			select {
			case r.slots <- struct{}{}:
				defer func() { <-r.slots }()
			case <-ctx.Done():
				return 0, 0, ctx.Err()
			}
			candidates, next, err := r.askService(ctx, service, index)
			if err == nil && index != noWaitIndex && r.lacks(part, candidates) {
				candidates, next, err = r.askService(ctx, service, noWaitIndex)
			}
			if err == nil {
				r.sink.attempted(nil)
				r.setPart(service, part, candidates, nil)
			}
			return len(candidates), next, err
		},
		failed: func(err error) {
			r.client.forgetNode()
			err = fmt.Errorf("watch service %q: %w", service, err)
			r.sink.attempted(err)
			r.setPart(service, part, nil, err)
		},
	}
	r.watches.Go(func() { w.run(ctx) })
}

// lacks says whether somebody known is not in an answer to a blocking query. Such an answer comes from a stream that, when
// the token loses its rights, ends in an empty list without a word of ACLs; the answer to a plain question has the word.
func (r *consulRun) lacks(part *consulPart, answer []candidate) bool {
	there := make(map[string]bool, len(answer))
	for i := range answer {
		there[answer[i].key] = true
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.ContainsFunc(part.candidates, func(c candidate) bool { return !there[c.key] })
}

// setPart takes a service's answer; with an error its last list stands. Of many services that take turns, an answer
// comes each few milliseconds: one that says nothing new must not have all of them relabeled.
func (r *consulRun) setPart(service string, part *consulPart, candidates []candidate, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.parts[service] != part {
		return // stopped while it asked
	}
	same := err == nil && part.err == nil && part.answered && slices.EqualFunc(part.candidates, candidates, candidate.equal)
	part.err = err
	if err == nil {
		part.candidates, part.answered = candidates, true
	}
	if !same {
		r.tell()
	}
}

// tell hands on the whole state; r.mu is held, so that a later state never comes first.
func (r *consulRun) tell() {
	out, whole := found{err: r.err}, r.catalog
	for _, name := range slices.Sorted(maps.Keys(r.parts)) {
		part := r.parts[name]
		out.candidates = append(out.candidates, part.candidates...)
		whole = whole && part.answered
		if out.err == nil {
			out.err = part.err
		}
	}
	r.answered = r.answered || whole
	out.answered = r.answered
	r.sink.changed(out)
}

func (r *consulRun) askService(ctx context.Context, service string, index uint64) ([]candidate, uint64, error) {
	filter, err := r.healthFilter(ctx)
	if err != nil {
		return nil, 0, err
	}
	query := consulapi.QueryOptions{
		WaitIndex: index, WaitTime: r.wait(), NodeMeta: r.options.NodeMeta, Filter: filter, AllowStale: r.options.AllowStale,
	}
	return r.askHealth(ctx, service, query)
}

func (r *consulRun) askHealth(ctx context.Context, service string, query consulapi.QueryOptions) ([]candidate, uint64, error) {
	var entries []*consulapi.ServiceEntry
	next, err := r.client.ask(ctx, query, func(q *consulapi.QueryOptions) (meta *consulapi.QueryMeta, err error) {
		entries, meta, err = r.client.api.Health().ServiceMultipleTags(service, r.options.Tags, false, q)
		return meta, err
	})
	if err != nil {
		return nil, 0, err
	}
	candidates, err := r.candidates(ctx, service, entries)
	return candidates, next, err
}

func (r *consulRun) candidates(ctx context.Context, service string, entries []*consulapi.ServiceEntry) ([]candidate, error) {
	out := make([]candidate, 0, len(entries))
	for _, entry := range entries {
		if entry == nil || entry.Node == nil || entry.Service == nil {
			return nil, fmt.Errorf("consul at %s answered with an entry that has no node or no service", r.options.Server)
		}
		c := consulCandidate(entry, service, r.options.Datacenter, r.options.TagSeparator)
		if isLoopback(consulAddress(entry)) {
			foreign, err := r.isForeign(ctx, c.node)
			if err != nil {
				return nil, err
			}
			c.foreign = foreign
		}
		out = append(out, c)
	}
	return out, nil
}

// isForeign says whether a node is another one than the agent's. A token that may not ask the agent sees loopback
// addresses as foreign: scraping another host's 127.0.0.1:40001 here would count a stranger.
func (r *consulRun) isForeign(ctx context.Context, node string) (bool, error) {
	own, err := r.client.ownNode(ctx)
	if status, ok := errors.AsType[*statusError](err); ok && status.code == http.StatusForbidden {
		return true, nil
	}
	return own != node, err
}
