package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"

	"github.com/fedscrape/fedscrape/config"
	"github.com/fedscrape/fedscrape/discovery"
)

// discoveredTargets lists the workers that the discoveries of a configuration find.
type discoveredTargets struct {
	manager *discovery.Manager
	jobs    []string // in the order of the file
	labels  map[string]string
	only    string
	news    chan struct{}

	mu      sync.Mutex
	updates map[string]discovery.Update
}

func newDiscoveredTargets(cfg *config.Config, only string, logger *slog.Logger) *discoveredTargets {
	t := &discoveredTargets{only: only, labels: map[string]string{}, news: make(chan struct{}, 1), updates: map[string]discovery.Update{}}
	for _, j := range cfg.Jobs {
		t.jobs = append(t.jobs, j.JobName)
		t.labels[j.JobName] = j.Settings.MergeOptions().WorkerLabel
	}
	t.manager = discovery.NewManager(discoveryJobs(cfg), logger, nil, t.update)
	return t
}

func (t *discoveredTargets) run(ctx context.Context) error { return t.manager.Run(ctx) }

func (t *discoveredTargets) changed() <-chan struct{} { return t.news }

// update is the manager's onUpdate. Where a discovery is in error the update holds its last list.
func (t *discoveredTargets) update(u discovery.Update) {
	t.mu.Lock()
	t.updates[u.Job] = u
	t.mu.Unlock()
	select {
	case t.news <- struct{}{}:
	default: // there is news already
	}
}

func (t *discoveredTargets) groups(context.Context) ([]discovery.Group, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	var waiting []error
	for _, job := range t.jobs {
		if u := t.updates[job]; !u.Answered {
			reason := u.Err
			if reason == nil {
				reason = errors.New("no answer yet")
			}
			waiting = append(waiting, fmt.Errorf("the service discovery of job %q has not answered: %w", job, reason))
		}
	}
	if len(waiting) > 0 {
		return nil, notYetError{errors.Join(waiting...)}
	}
	workers, labels := t.present()
	return discovery.WorkerGroups(workers, func(job string) string { return labels[job] }), nil
}

// present gives the workers, each in the job that it belongs to: of two jobs that yield one (job, instance) the first
// in the file decides, as in the federator. labels are the worker labels by job label.
func (t *discoveredTargets) present() (workers []discovery.Worker, labels map[string]string) {
	owners, members := map[discovery.InstanceID]string{}, map[discovery.InstanceID][]discovery.Worker{}
	labels = map[string]string{}
	for _, job := range t.jobs {
		for _, w := range t.updates[job].Workers {
			id := discovery.InstanceID{Job: w.Job, Instance: w.Instance}
			if owners[id] == "" {
				owners[id] = job
			}
			if owners[id] == job && (t.only == "" || t.only == w.Job) {
				members[id] = append(members[id], w)
			}
			if labels[w.Job] == "" {
				labels[w.Job] = cmp.Or(t.labels[w.Job], t.labels[job])
			}
		}
	}
	for _, list := range members {
		workers = append(workers, distinct(list)...)
	}
	return workers, labels
}

// distinct are an instance's workers without the registrations that another of the same address has replaced, and
// with worker IDs that differ: the later becomes <id>~2.
func distinct(list []discovery.Worker) []discovery.Worker {
	slices.SortFunc(list, func(a, b discovery.Worker) int { return cmp.Or(a.Compare(&b), cmp.Compare(a.Key, b.Key)) })
	newest := map[[2]string]int{}
	for i := range list {
		newest[[2]string{list[i].Node, list[i].Address}] = i
	}
	out, seen := make([]discovery.Worker, 0, len(newest)), map[string]int{}
	for i := range list {
		w := list[i]
		if newest[[2]string{w.Node, w.Address}] != i {
			continue
		}
		if seen[w.WorkerID]++; seen[w.WorkerID] > 1 {
			w.WorkerID = fmt.Sprintf("%s~%d", w.WorkerID, seen[w.WorkerID])
		}
		out = append(out, w)
	}
	return out
}
