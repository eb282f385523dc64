package merge

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/fedscrape/fedscrape/exposition"
)

// hintFamily is the metric by which a worker says the mode of one of its gauges:
// fedscrape_gauge_mode{metric="inprogress_requests",mode="livesum"} 1.
const hintFamily = "fedscrape_gauge_mode"

// hintsOf reads what a page says of gauge modes.
func (f *Fold) hintsOf(slots []Slot, values []float64) (hints map[string]Mode) {
	if f.families[hintFamily] == nil {
		return nil
	}
	for i, slot := range slots {
		l := &f.lines[slot]
		if l.variant.family.name != hintFamily || values[i] != 1 {
			continue
		}
		if mode, err := ParseMode(labelOf(l.series.labels, "mode")); err == nil {
			if hints == nil {
				hints = map[string]Mode{}
			}
			hints[labelOf(l.series.labels, "metric")] = mode
		}
	}
	return hints
}

func labelOf(labels exposition.Labels, name string) string {
	for _, l := range labels {
		if l.Name == name {
			return l.Value
		}
	}
	return ""
}

// Conflict is something on which present workers disagree, or that was not taken from one of them.
type Conflict struct {
	Kind     string // type, help, unit, bounds, duplicate, value
	Metric   string
	WorkerID string // whose part is left out, where it is one worker's
	Detail   string
}

// ConflictKinds are the kinds that Conflicts gives, in order.
var ConflictKinds = []string{"type", "help", "unit", "bounds", "duplicate", "value"}

// Conflicts gives what present workers disagree on now, sorted. It is to be read only.
func (f *Fold) Conflicts() []Conflict {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.decideLayout()
	f.countHolders()
	if f.foundAt != f.shape {
		f.found, f.foundAt = f.conflicts(), f.shape
	}
	return f.found
}

func (f *Fold) conflicts() []Conflict {
	var list []Conflict
	for _, inc := range f.incarnations {
		if inc.present {
			list = f.ownConflicts(list, inc)
		}
	}
	list = f.metaConflicts(list)
	list = f.collisions(list)
	for _, s := range f.mixed {
		list = append(list, Conflict{"bounds", s.variant.family.name, "", "workers have different bucket bounds"})
	}
	slices.SortStableFunc(list, func(a, b Conflict) int {
		return cmp.Or(strings.Compare(a.Kind, b.Kind), strings.Compare(a.Metric, b.Metric), strings.Compare(a.WorkerID, b.WorkerID))
	})
	return slices.CompactFunc(list, func(a, b Conflict) bool { return a.Kind == b.Kind && a.Metric == b.Metric && a.WorkerID == b.WorkerID })
}

// ownConflicts are those of one worker: a type that lost, lines of its page that were not taken, a mode hint that lost.
func (f *Fold) ownConflicts(list []Conflict, inc *Incarnation) []Conflict {
	for v := range inc.variants {
		if won := v.family.winner; v.typ != won && v.typ != exposition.Unknown && won != exposition.Unknown {
			list = append(list, Conflict{"type", v.family.name, inc.WorkerID, fmt.Sprintf("is a %s here and a %s in older workers: left out", v.typ, won)})
		}
	}
	for name, mode := range inc.hints {
		if fam := f.families[name]; fam != nil && fam.modeFrom == "hint" && fam.mode != mode {
			list = append(list, Conflict{"type", name, inc.WorkerID, fmt.Sprintf("gauge mode %s here and %s in older workers", mode, fam.mode)})
		}
	}
	if inc.duplicates > 0 {
		list = append(list, Conflict{"duplicate", inc.firstBad, inc.WorkerID, fmt.Sprintf("%d lines are there twice: the first counts", inc.duplicates)})
	}
	if inc.badValues > 0 {
		list = append(list, Conflict{"value", inc.firstBad, inc.WorkerID, fmt.Sprintf("%d values are NaN, infinite or negative: the last good ones count", inc.badValues)})
	}
	return list
}

func (f *Fold) collisions(list []Conflict) []Conflict {
	for _, fam := range f.families {
		v := fam.variants[fam.winner]
		if v == nil {
			continue
		}
		if i := slices.IndexFunc(v.series, func(s *series) bool { return s.hidden }); i >= 0 {
			list = append(list, Conflict{"duplicate", fam.name, "", "another family has lines of this name and these labels: left out"})
		}
	}
	return list
}
