package federator

import (
	"cmp"
	"slices"
	"time"

	"github.com/fedscrape/fedscrape/exposition"
	"github.com/fedscrape/fedscrape/merge"
)

// render gives the page as of now, or a *NoWorkerUpError. Where it is to be kept, what the workers say is in the buffer.
func (in *Instance) render(now time.Time, keeps bool) (*Page, error) {
	up := 0
	for _, m := range in.members {
		if m.state == stateUp {
			up++
		}
	}
	if up == 0 && !in.job.ServeEmpty {
		if keeps {
			in.fold.Say(&in.said)
		}
		return nil, in.failures()
	}
	families := append(in.merged(now, keeps), in.own(up)...)
	slices.SortFunc(families, func(a, b exposition.Filled) int { return cmp.Compare(a.Name(), b.Name()) })
	return &Page{Families: families, Time: now}, nil
}

func (in *Instance) merged(now time.Time, keeps bool) (families []exposition.Filled) {
	if !keeps {
		return in.fold.Render(now)
	}
	return in.fold.RenderAndSay(now, &in.said)
}

func (in *Instance) failures() *NoWorkerUpError {
	e := &NoWorkerUpError{}
	for _, m := range in.byName() {
		reason := m.err
		if reason == "" {
			reason = "not scraped yet"
		}
		e.Failures = append(e.Failures, Failure{m.name, m.worker.Address, reason})
	}
	return e
}

// own gives what merging would hide: the fedscrape_* families of a merged page.
func (in *Instance) own(up int) []exposition.Filled {
	families := in.ownFamilies(up)
	sheet := exposition.NewSheet(len(families), 4*len(in.members))
	for i := range families {
		f := &families[i]
		in.forms[f.Name] = sheet.Family(in.forms[f.Name], f)
	}
	return sheet.Families()
}

func (in *Instance) ownFamilies(up int) []exposition.Family {
	members := in.byName()
	byWorker := func(name, help string, value func(*member) (float64, bool)) exposition.Family {
		f := exposition.Family{Name: name, Type: exposition.Gauge, Help: help, Series: make([]exposition.Series, 0, len(members))}
		for _, m := range members {
			if v, ok := value(m); ok {
				f.Series = append(f.Series, exposition.Series{Labels: m.ownLabels(in.job.Merge.WorkerLabel), Value: v})
			}
		}
		return f
	}
	return []exposition.Family{
		byLabel("fedscrape_conflicts", exposition.Gauge, "What present workers disagree on, or what was not taken from them, by kind.",
			"kind", in.conflictCounts()),
		single("fedscrape_lost_updates_possible_total", "Workers that departed without their final snapshot.", in.counts.lost),
		single("fedscrape_resets_absorbed_total", "Series that fell inside a worker's life and were carried on.", in.counts.resets),
		byWorker("fedscrape_worker_last_success_timestamp_seconds", "When the worker last answered.", func(m *member) (float64, bool) {
			return float64(m.lastOK.UnixMilli()) / 1000, !m.lastOK.IsZero()
		}),
		byWorker("fedscrape_worker_scrape_duration_seconds", "How long the worker's last scrape took.", func(m *member) (float64, bool) {
			return m.took.Seconds(), m.took > 0
		}),
		byWorker("fedscrape_worker_up", "Whether the worker answered this round.", func(m *member) (float64, bool) {
			if m.state == stateUp {
				return 1, true
			}
			return 0, true
		}),
		byLabel("fedscrape_workers", exposition.Gauge, "Present workers, by whether they answered this round.", "state",
			map[string]int{"up": up, "failed": len(in.members) - up}),
		byLabel("fedscrape_workers_departed_total", exposition.Counter, "Workers that departed, by why.", "reason", in.departures()),
		single("fedscrape_workers_started_total", "Workers that became known.", in.counts.started),
	}
}

// ownLabels gives the labels of the member's own series, made anew only where it has another name.
func (m *member) ownLabels(label string) exposition.Labels {
	if len(m.labels) == 0 || m.labels[0].Value != m.name || m.label != label {
		m.labels, m.label = merge.WithWorker(nil, label, m.name), label
	}
	return m.labels
}

// withDegraded adds the mark of a page that the ledger lacks, in its place.
func withDegraded(families []exposition.Filled) []exposition.Filled {
	mark := exposition.Fill(&exposition.Family{
		Name: "fedscrape_ledger_degraded", Type: exposition.Gauge, Series: []exposition.Series{{Value: 1}},
		Help: "The ledger lacks what this page shows: it is lost if the federator is killed.",
	})
	at, _ := slices.BinarySearchFunc(families, mark.Name(), func(a exposition.Filled, name string) int { return cmp.Compare(a.Name(), name) })
	return slices.Insert(slices.Clip(families), at, mark) // others may read the page without it
}

func (in *Instance) departures() map[string]int {
	counts := map[string]int{}
	for _, reason := range reasons {
		counts[reason] = in.counts.departed[reason]
	}
	return counts
}

// conflictWorkerID is of present workers that have one worker ID.
const conflictWorkerID = "worker_id"

func (in *Instance) conflictCounts() map[string]int {
	counts := map[string]int{conflictWorkerID: 0}
	for _, kind := range merge.ConflictKinds {
		counts[kind] = 0
	}
	for c := range in.conflict {
		counts[c.kind]++
	}
	for _, m := range in.members {
		if m.shared {
			counts[conflictWorkerID]++
		}
	}
	return counts
}

func single(name, help string, n int) exposition.Family {
	return exposition.Family{Name: name, Type: exposition.Counter, Help: help, Series: []exposition.Series{{Value: float64(n)}}}
}

func byLabel(name string, typ exposition.Type, help, label string, counts map[string]int) exposition.Family {
	f := exposition.Family{Name: name, Type: typ, Help: help}
	for value, n := range counts {
		f.Series = append(f.Series, exposition.Series{Labels: exposition.Labels{{Name: label, Value: value}}, Value: float64(n)})
	}
	slices.SortFunc(f.Series, func(a, b exposition.Series) int { return cmp.Compare(a.Labels[0].Value, b.Labels[0].Value) })
	return f
}
