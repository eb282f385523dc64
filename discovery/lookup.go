package discovery

import (
	"context"
	"errors"
	"maps"
	"slices"

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
	// Not stale: the registration may be younger than what a follower has.
	query := consulapi.QueryOptions{NodeMeta: r.options.NodeMeta, Filter: both(filter, "Service.ID == "+quote(serviceID))}
	var out []candidate
	for _, service := range r.services() {
		entries, _, err := r.askHealth(ctx, service, query)
		if err != nil {
			return nil, err
		}
		out = append(out, slices.DeleteFunc(entries, func(c candidate) bool { return c.serviceID != serviceID })...)
	}
	return out, nil
}

// services are the names watched now.
func (r *consulRun) services() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Sorted(maps.Keys(r.parts))
}
