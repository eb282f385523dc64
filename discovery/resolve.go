package discovery

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	"github.com/fedscrape/fedscrape/relabel"
)

// resolve relabels candidates into workers, sorted by key. problems say which were left out for a reason other than a
// rule. Of two with one key the first stands, as of two sources that name one service.
func resolve(job string, opts *relabel.Options, candidates []candidate) (workers []Worker, problems []string) {
	byKey := make(map[string]Worker, len(candidates))
	for i := range candidates {
		worker, keep, err := candidates[i].worker(job, opts)
		if err != nil {
			problems = append(problems, candidates[i].String()+": "+err.Error())
		}
		if err != nil || !keep {
			continue
		}
		first, known := byKey[worker.Key]
		if known && !equalWorkers(first, worker) {
			problems = append(problems, candidates[i].String()+": found twice with different labels; the first stands")
		}
		if !known {
			byKey[worker.Key] = worker
		}
	}
	workers = slices.Collect(maps.Values(byKey))
	slices.SortFunc(workers, func(a, b Worker) int { return cmp.Compare(a.Key, b.Key) })
	return workers, problems
}

func (c *candidate) worker(job string, opts *relabel.Options) (Worker, bool, error) {
	target, keep, err := relabel.NewTarget(c.labels, opts, job, c.kind)
	if err != nil || !keep {
		return Worker{}, false, err
	}
	if c.foreign && isLoopback(target.Address) {
		return Worker{}, false, fmt.Errorf("%s is a loopback address of another host: register one that the federator can reach", target.Address)
	}
	key := c.key
	if key == "" {
		key = target.Address
	}
	return Worker{
		Target: target, Key: key, ServiceID: c.serviceID, Node: c.node, CreateIndex: c.createIndex, StartTime: c.startTime,
	}, true, nil
}

// String names a candidate for a person.
func (c *candidate) String() string {
	if c.kind == relabel.Consul {
		return fmt.Sprintf("service %q on node %q", c.serviceID, c.node)
	}
	return fmt.Sprintf("target %q", c.labels["__address__"])
}

func equalWorkers(a, b Worker) bool {
	return a.Identity == b.Identity && a.Scheme == b.Scheme && a.Address == b.Address && a.MetricsPath == b.MetricsPath &&
		a.Params == b.Params && a.Key == b.Key && a.ServiceID == b.ServiceID && a.Node == b.Node &&
		a.CreateIndex == b.CreateIndex && a.StartTime.Equal(b.StartTime) && maps.Equal(a.Labels, b.Labels)
}
