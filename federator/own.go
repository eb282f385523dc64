package federator

import (
	"cmp"
	"slices"
	"time"

	"github.com/fedscrape/fedscrape/exposition"
	"github.com/fedscrape/fedscrape/merge"
)

// render gives the page as of now, or a *NoWorkerUpError. Where it is to be kept, w gets what the workers say; else it is nil.
func (in *Instance) render(now time.Time, w *write) (*Page, error) {
	up := 0
	for _, m := range in.members {
		if m.state == stateUp {
			up++
		}
	}
	if up == 0 && !in.job.ServeEmpty {
		if w != nil {
			in.say(w)
		}
		return nil, in.failures()
	}
	return &Page{Families: together(in.merged(now, w), in.own(up)), Time: now}, nil
}

// together puts the own families in their places among the merged ones. Both are sorted by name.
func together(merged, own []exposition.Filled) []exposition.Filled {
	all := make([]exposition.Filled, 0, len(merged)+len(own))
	for _, f := range own {
		at := place(merged, f.Name())
		all = append(append(all, merged[:at]...), f)
		merged = merged[at:]
	}
	return append(all, merged...)
}

// place is before which of the sorted families one of that name belongs.
func place(families []exposition.Filled, name string) int {
	at, _ := slices.BinarySearchFunc(families, name, func(f exposition.Filled, name string) int { return cmp.Compare(f.Name(), name) })
	return at
}

func (in *Instance) merged(now time.Time, w *write) (families []exposition.Filled) {
	if w == nil {
		return in.fold.Render(now)
	}
	return in.fold.RenderAndSay(now, w.said, w.allSaid)
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
	in.ownFamilies(up)
	p, numbers := &in.ownPage, 0
	for _, f := range p.families {
		numbers += len(f.Series)
	}
	sheet := exposition.NewSheet(len(p.families), numbers)
	for i := range p.families {
		p.forms[i] = sheet.Family(p.forms[i], &p.families[i])
	}
	return sheet.Families()
}

func (in *Instance) ownFamilies(up int) {
	p, members, label, conflicts := &in.ownPage, in.byName(), in.job.Merge.WorkerLabel, in.conflictCounts()
	p.families = p.families[:0]
	p.byLabel("fedscrape_conflicts", exposition.Gauge, "What present workers disagree on, or what was not taken from them, by kind.",
		conflictLabels, func(kind string) int { return conflicts[kind] })
	p.single("fedscrape_lost_updates_possible_total", "Workers that departed without their final snapshot.", in.counts.lost)
	p.single("fedscrape_resets_absorbed_total", "Series that fell inside a worker's life and were carried on.", in.counts.resets)
	p.byWorker("fedscrape_worker_last_success_timestamp_seconds", "When the worker last answered.", members, label, func(m *member) (float64, bool) {
		return float64(m.lastOK.UnixMilli()) / 1000, !m.lastOK.IsZero()
	})
	p.byWorker("fedscrape_worker_scrape_duration_seconds", "How long the worker's last scrape took.", members, label, func(m *member) (float64, bool) {
		return m.took.Seconds(), m.took > 0
	})
	p.byWorker("fedscrape_worker_up", "Whether the worker answered this round.", members, label, func(m *member) (float64, bool) {
		if m.state == stateUp {
			return 1, true
		}
		return 0, true
	})
	p.byLabel("fedscrape_workers", exposition.Gauge, "Present workers, by whether they answered this round.", stateLabels, func(state string) int {
		if state == stateUp {
			return up
		}
		return len(in.members) - up
	})
	p.byLabel("fedscrape_workers_departed_total", exposition.Counter, "Workers that departed, by why.",
		reasonLabels, func(reason string) int { return in.counts.departed[reason] })
	p.single("fedscrape_workers_started_total", "Workers that became known.", in.counts.started)
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
	return slices.Insert(slices.Clip(families), place(families, mark.Name()), mark) // others may read the page without it
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

// ownPage is where an instance's own families are made, each time anew, in the room of those of the last page.
type ownPage struct {
	families []exposition.Family
	forms    []*exposition.Form // of each as it was last
}

func (p *ownPage) add(name string, typ exposition.Type, help string) *exposition.Family {
	n := len(p.families)
	p.families = slices.Grow(p.families, 1)[:n+1]
	if n == len(p.forms) {
		p.forms = append(p.forms, nil)
	}
	f := &p.families[n]
	f.Name, f.Type, f.Help, f.Series = name, typ, help, f.Series[:0]
	return f
}

func (p *ownPage) single(name, help string, n int) {
	f := p.add(name, exposition.Counter, help)
	f.Series = append(f.Series, exposition.Series{Value: float64(n)})
}

func (p *ownPage) byLabel(name string, typ exposition.Type, help string, labels []exposition.Labels, count func(value string) int) {
	f := p.add(name, typ, help)
	for _, l := range labels {
		f.Series = append(f.Series, exposition.Series{Labels: l, Value: float64(count(l[0].Value))})
	}
}

func (p *ownPage) byWorker(name, help string, members []*member, label string, value func(*member) (float64, bool)) {
	f := p.add(name, exposition.Gauge, help)
	for _, m := range members {
		if v, ok := value(m); ok {
			f.Series = append(f.Series, exposition.Series{Labels: m.ownLabels(label), Value: v})
		}
	}
}

// The labels of own series that are not a worker's.
var (
	conflictLabels = eachLabel("kind", append(slices.Clone(merge.ConflictKinds), conflictWorkerID))
	reasonLabels   = eachLabel("reason", reasons)
	stateLabels    = eachLabel("state", []string{stateUp, stateFailed})
)

// eachLabel gives a label set for each value, sorted.
func eachLabel(name string, values []string) (labels []exposition.Labels) {
	for _, value := range slices.Sorted(slices.Values(values)) {
		labels = append(labels, exposition.Labels{{Name: name, Value: value}})
	}
	return labels
}
