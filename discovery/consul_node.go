package discovery

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	consulapi "github.com/hashicorp/consul/api"
)

// nodeRun is one run of a consulSource of the agent's own node. It asks for the services and the checks of the node,
// and puts together what health/service would answer: that query, filtered to one node, is woken by each change of the
// service on any node, which costs a cluster of five hundred hosts five hundred wakes for each worker.
type nodeRun struct {
	*consulSource
	client *consulClient
	sink   sink

	mu sync.Mutex
	// services and checks are the last good answers; nil until there is one.
	services *consulapi.CatalogNodeServiceList
	checks   consulapi.HealthChecks
	errs     [nodeQueries]error
	known    [nodeQueries]bool
}

// The two questions of a nodeRun.
const (
	nodeServices = iota
	nodeChecks
	nodeQueries
)

// isNodeScoped says whether the questions about one node will do. The filters are written for other answers, and are
// Consul's to evaluate.
func (s *consulSource) isNodeScoped() bool {
	return s.options.Local && s.options.Filter == "" && s.options.HealthFilter == ""
}

func (r *nodeRun) run(ctx context.Context) {
	var watches sync.WaitGroup
	defer watches.Wait()
	watches.Go(func() { r.watch(nodeServices, r.askServices).run(ctx) })
	watches.Go(func() { r.watch(nodeChecks, r.askChecks).run(ctx) })
}

func (r *nodeRun) watch(which int, query func(context.Context, uint64) (int, uint64, error)) *watch {
	return &watch{
		least: time.Duration(r.options.RefreshInterval), tableIndex: true, query: query,
		failed: func(err error) {
			r.client.forgetNode()
			err = fmt.Errorf("watch own node: %w", err)
			r.sink.attempted(err)
			r.mu.Lock()
			defer r.mu.Unlock()
			r.errs[which] = err
			r.tell()
		},
	}
}

func (r *nodeRun) askServices(ctx context.Context, index uint64) (int, uint64, error) {
	services, next, err := r.fetchServices(ctx, consulapi.QueryOptions{WaitIndex: index, AllowStale: r.options.AllowStale})
	if err != nil {
		return 0, 0, err
	}
	r.answered(nodeServices, func() { r.services = services })
	return len(services.Services), next, nil
}

func (r *nodeRun) fetchServices(ctx context.Context, query consulapi.QueryOptions) (*consulapi.CatalogNodeServiceList, uint64, error) {
	node, err := r.client.ownNode(ctx)
	if err != nil {
		return nil, 0, err
	}
	services := &consulapi.CatalogNodeServiceList{}
	next, err := r.client.ask(ctx, query, func(q *consulapi.QueryOptions) (meta *consulapi.QueryMeta, err error) {
		services, meta, err = r.client.api.Catalog().NodeServiceList(node, q)
		return meta, err
	})
	if err != nil {
		return nil, 0, err
	}
	if services == nil || (services.Node == nil && len(services.Services) > 0) || slices.Contains(services.Services, nil) {
		return nil, 0, fmt.Errorf("consul at %s answered with services that have no node, or none at all", r.options.Server)
	}
	return services, next, nil
}

func (r *nodeRun) askChecks(ctx context.Context, index uint64) (int, uint64, error) {
	node, err := r.client.ownNode(ctx)
	if err != nil {
		return 0, 0, err
	}
	var checks consulapi.HealthChecks
	query := consulapi.QueryOptions{WaitIndex: index, AllowStale: r.options.AllowStale}
	next, err := r.client.ask(ctx, query, func(q *consulapi.QueryOptions) (meta *consulapi.QueryMeta, err error) {
		checks, meta, err = r.client.api.Health().Node(node, q)
		return meta, err
	})
	if err != nil {
		return 0, 0, err
	}
	checks = slices.DeleteFunc(checks, func(c *consulapi.HealthCheck) bool { return c == nil })
	r.answered(nodeChecks, func() { r.checks = checks })
	return len(checks), next, nil
}

func (r *nodeRun) answered(which int, take func()) {
	r.sink.attempted(nil)
	r.mu.Lock()
	defer r.mu.Unlock()
	take()
	r.known[which], r.errs[which] = true, nil
	r.tell()
}

// tell hands on the whole state once both answers are there; r.mu is held.
func (r *nodeRun) tell() {
	out := found{answered: r.known[nodeServices] && r.known[nodeChecks]}
	for _, err := range r.errs {
		if out.err == nil {
			out.err = err
		}
	}
	if out.answered {
		out.candidates = r.candidates(r.services, r.checks)
	}
	r.sink.changed(out)
}

func (r *nodeRun) candidates(services *consulapi.CatalogNodeServiceList, checks consulapi.HealthChecks) []candidate {
	if services.Node == nil || !hasMeta(services.Node.Meta, r.options.NodeMeta) {
		return nil
	}
	ofService := map[string]consulapi.HealthChecks{}
	for _, c := range checks {
		ofService[c.ServiceID] = append(ofService[c.ServiceID], c)
	}
	var out []candidate
	for _, s := range services.Services {
		if !r.wants(s.Service, s.Tags) {
			continue
		}
		entry := &consulapi.ServiceEntry{Node: services.Node, Service: s, Checks: ofService[""]}
		if s.ID != "" {
			entry.Checks = append(slices.Clone(entry.Checks), ofService[s.ID]...)
		}
		out = append(out, consulCandidate(entry, s.Service, r.options.Datacenter, r.options.TagSeparator))
	}
	return out
}

func hasMeta(meta, wanted map[string]string) bool {
	for key, value := range wanted {
		if got, ok := meta[key]; !ok || got != value {
			return false
		}
	}
	return true
}

// lookup asks for the services only: who looks for a worker does not ask how it is.
func (r *nodeRun) lookup(ctx context.Context, serviceID string) ([]candidate, error) {
	// Not stale: the registration may be younger than what a follower has.
	services, _, err := r.fetchServices(ctx, consulapi.QueryOptions{})
	if err != nil {
		return nil, err
	}
	r.mu.Lock()
	checks := r.checks
	r.mu.Unlock()
	return slices.DeleteFunc(r.candidates(services, checks), func(c candidate) bool { return c.serviceID != serviceID }), nil
}
