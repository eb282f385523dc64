package discovery

import (
	"cmp"
	"maps"
	"net"
	"net/url"
	"slices"
	"strings"

	"github.com/prometheus/common/model"

	"github.com/fedscrape/fedscrape/relabel"
)

// Group is one target group, as http_sd and file_sd have it.
type Group struct {
	Targets []string          `json:"targets"`
	Labels  map[string]string `json:"labels"`
}

// InstanceID names an instance.
type InstanceID struct{ Job, Instance string }

// InstanceGroups gives one group for each instance: those of the workers, and the known ones, which may have no worker
// present. Its target is the merged endpoint at external, so that Prometheus needs no relabeling. workerLabelOf gives a
// job's worker label: a merged endpoint is no worker's, even where there is but one. Sorted; never nil.
func InstanceGroups(workers []Worker, known []InstanceID, workerLabelOf func(job string) string, external *url.URL) []Group {
	agreed := map[InstanceID]map[string]string{}
	for _, id := range known {
		agreed[id] = nil
	}
	for i := range workers {
		id := InstanceID{Job: workers[i].Job, Instance: workers[i].Instance}
		agreed[id] = agree(agreed[id], workers[i].Labels)
	}
	ids := make([]InstanceID, 0, len(agreed))
	for id := range agreed {
		ids = append(ids, id)
	}
	slices.SortFunc(ids, func(a, b InstanceID) int {
		return cmp.Or(cmp.Compare(a.Job, b.Job), cmp.Compare(a.Instance, b.Instance))
	})
	out := make([]Group, 0, len(ids))
	for _, id := range ids {
		out = append(out, instanceGroup(id, agreed[id], workerLabelOf(id.Job), external))
	}
	return out
}

// agree keeps the labels that both have; a nil first one is the first worker's turn.
func agree(so, lset map[string]string) map[string]string {
	out := make(map[string]string, len(lset))
	for name, value := range lset {
		if other, ok := so[name]; so == nil || (ok && other == value) {
			out[name] = value
		}
	}
	return out
}

func instanceGroup(id InstanceID, agreed map[string]string, workerLabel string, external *url.URL) Group {
	labels := make(map[string]string, len(agreed)+6)
	for name, value := range agreed {
		if name != workerLabel {
			labels[name] = value
		}
	}
	labels[model.MetricsPathLabel] = strings.TrimSuffix(external.Path, "/") + "/merged"
	labels[model.SchemeLabel] = external.Scheme
	labels[model.ParamLabelPrefix+model.JobLabel] = id.Job
	labels[model.ParamLabelPrefix+model.InstanceLabel] = id.Instance
	labels[model.JobLabel] = id.Job
	labels[model.InstanceLabel] = id.Instance
	return Group{Targets: []string{hostPort(external)}, Labels: labels}
}

// hostPort fills in the scheme's port, as some readers of file_sd want one.
func hostPort(u *url.URL) string {
	if u.Port() != "" {
		return u.Host
	}
	port := "80"
	if u.Scheme == "https" {
		port = "443"
	}
	return net.JoinHostPort(u.Hostname(), port)
}

// WorkerGroups gives one group for each worker, for Prometheus to scrape it directly. Sorted; never nil.
func WorkerGroups(workers []Worker, workerLabelOf func(job string) string) []Group {
	sorted := slices.Clone(workers)
	slices.SortFunc(sorted, func(a, b Worker) int {
		return cmp.Or(cmp.Compare(a.Job, b.Job), cmp.Compare(a.Instance, b.Instance),
			cmp.Compare(a.WorkerID, b.WorkerID), cmp.Compare(a.Address, b.Address), cmp.Compare(a.Key, b.Key))
	})
	out := make([]Group, 0, len(sorted))
	for i := range sorted {
		out = append(out, workerGroup(&sorted[i].Target, workerLabelOf(sorted[i].Job)))
	}
	return out
}

// workerGroup goes by the identity where the labels say otherwise: the worker_id may have been made unique since.
func workerGroup(target *relabel.Target, workerLabel string) Group {
	labels := make(map[string]string, len(target.Labels)+5)
	maps.Copy(labels, target.Labels)
	labels[model.MetricsPathLabel] = target.MetricsPath
	labels[model.SchemeLabel] = target.Scheme
	labels[model.JobLabel] = target.Job
	labels[model.InstanceLabel] = target.Instance
	labels[workerLabel] = target.WorkerID
	params, _ := url.ParseQuery(target.Params) // relabel has encoded it; what cannot be read is no label either
	for name := range params {
		labels[model.ParamLabelPrefix+name] = params.Get(name) // a label holds one value only, as in Prometheus
	}
	return Group{Targets: []string{target.Address}, Labels: labels}
}
