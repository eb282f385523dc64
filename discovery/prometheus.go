package discovery

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strconv"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
	promdiscovery "github.com/prometheus/prometheus/discovery"
	promtargetgroup "github.com/prometheus/prometheus/discovery/targetgroup"

	"github.com/fedscrape/fedscrape/relabel"
)

// promSource runs one of Prometheus' own discoverers. They log their errors themselves and say nothing while they are
// in error, so that their last list stands.
type promSource struct {
	config promdiscovery.Config
	logger *slog.Logger
}

// staticSource names the groups as Prometheus does: a group without a name would replace the one before it.
func staticSource(groups []*promtargetgroup.Group) promdiscovery.Config {
	named := make(promdiscovery.StaticConfig, 0, len(groups))
	for i, group := range groups {
		named = append(named, &promtargetgroup.Group{Targets: group.Targets, Labels: group.Labels, Source: strconv.Itoa(i)})
	}
	return named
}

func (s *promSource) run(ctx context.Context, to sink) {
	discoverer, err := s.discoverer()
	if err != nil {
		err = fmt.Errorf("set up %s discovery: %w", s.config.Name(), err)
		to.attempted(err)
		to.changed(found{err: err})
		return
	}
	updates := make(chan []*promtargetgroup.Group)
	var running sync.WaitGroup
	defer running.Wait()
	running.Go(func() { discoverer.Run(ctx, updates) })
	collect(ctx, updates, to)
}

// discoverer gives it metrics that go nowhere: they would have one set for each job under the same names.
func (s *promSource) discoverer() (promdiscovery.Discoverer, error) {
	nowhere := prometheus.NewRegistry()
	metrics := s.config.NewDiscovererMetrics(nowhere, promdiscovery.NewRefreshMetrics(nowhere))
	return s.config.NewDiscoverer(promdiscovery.DiscovererOptions{Logger: s.logger, Metrics: metrics, SetName: s.config.Name()})
}

// collect puts updates of single groups together, until the context ends.
func collect(ctx context.Context, updates <-chan []*promtargetgroup.Group, to sink) {
	groups := map[string]*promtargetgroup.Group{}
	for {
		select {
		case <-ctx.Done():
			return
		case changed, open := <-updates:
			if !open {
				updates = nil // a static list is sent once
				continue
			}
			for _, group := range changed {
				if group != nil {
					groups[group.Source] = group
				}
			}
			to.attempted(nil)
			to.changed(found{candidates: candidatesOf(groups), answered: true})
		}
	}
}

func candidatesOf(groups map[string]*promtargetgroup.Group) []candidate {
	var out []candidate
	for _, source := range slices.Sorted(maps.Keys(groups)) {
		group := groups[source]
		for _, target := range group.Targets {
			lset := make(map[string]string, len(target)+len(group.Labels))
			for name, value := range group.Labels {
				lset[string(name)] = string(value)
			}
			for name, value := range target {
				lset[string(name)] = string(value)
			}
			out = append(out, candidate{labels: lset, kind: relabel.Other})
		}
	}
	return out
}
