package discovery

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	consulapi "github.com/hashicorp/consul/api"
)

// Lookup asks Consul now for the workers of a job with this service ID: a worker can be born and gone before any watch
// shows it. There may be one on each node. A job that is not known, or not found in Consul, has none.
func (m *Manager) Lookup(ctx context.Context, job, serviceID string) ([]Worker, error) {
	m.mu.Lock()
	run := m.jobs[job]
	m.mu.Unlock()
	if run == nil {
		return nil, nil
	}
	return run.lookup(ctx, serviceID)
}

func (j *jobRun) lookup(ctx context.Context, serviceID string) ([]Worker, error) {
	var candidates []candidate
	var errs []error
	for _, s := range j.running() {
		consul, ok := s.source.(*consulSource)
		if !ok {
			continue
		}
		more, err := consul.lookup(ctx, serviceID)
		candidates = append(candidates, more...)
		errs = append(errs, err)
	}
	j.mu.Lock()
	job := j.job
	j.mu.Unlock()
	workers, _ := resolve(j.name, &job.Relabel, candidates)
	if len(workers) > 0 {
		return workers, nil // known is known, whatever another source says
	}
	return nil, errors.Join(errs...)
}

func (s *consulSource) lookup(ctx context.Context, serviceID string) ([]candidate, error) {
	lookup := s.current.Load()
	if lookup == nil {
		return nil, errors.New("consul has not been reached yet")
	}
	return (*lookup)(ctx, serviceID)
}

func (r *consulRun) lookup(ctx context.Context, serviceID string) ([]candidate, error) {
	filter, err := r.healthFilter(ctx)
	if err != nil {
		return nil, err
	}
	services, err := r.services(ctx, serviceID)
	if err != nil {
		return nil, err
	}
	// Not stale: the registration may be younger than what a follower has.
	query := consulapi.QueryOptions{NodeMeta: r.options.NodeMeta, Filter: both(filter, "Service.ID == "+quote(serviceID))}
	var out []candidate
	for _, service := range services {
		entries, _, err := r.askHealth(ctx, service, query)
		if err != nil {
			return nil, err
		}
		out = append(out, slices.DeleteFunc(entries, func(c candidate) bool { return c.serviceID != serviceID })...)
		if len(out) > 0 && isNamedAfter(service, serviceID) {
			break
		}
	}
	return out, nil
}

// services are the names that the worker may be registered under; the one that the ID is made of comes first, as there
// may be a thousand others. The catalog is asked anew: a service's first registration is in no watch yet.
func (r *consulRun) services(ctx context.Context, serviceID string) ([]string, error) {
	names := slices.Clone(r.options.Services)
	if r.needsCatalog() {
		var err error
		if names, _, _, err = r.listServices(ctx, consulapi.QueryOptions{}); err != nil {
			return nil, fmt.Errorf("list services: %w", err)
		}
	}
	slices.SortStableFunc(names, func(a, b string) int {
		return btoi(isNamedAfter(b, serviceID)) - btoi(isNamedAfter(a, serviceID))
	})
	return names, nil
}

// isNamedAfter tells whether a service ID begins with the service's name, as those that helpers make do.
func isNamedAfter(service, serviceID string) bool { return strings.HasPrefix(serviceID, service+"-") }

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}
