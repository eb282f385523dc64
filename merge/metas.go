package merge

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	"github.com/fedscrape/fedscrape/exposition"
)

// meta is what a page says of a family.
type meta struct{ help, unit string }

// metaSet is what a page says of all its families. It is not written any more, and shared by the workers that say the same.
type metaSet struct{ of map[string]*meta }

// Meta implements exposition.Sink.
func (st *Stage) Meta(family string, _ exposition.Type, help, unit string) {
	if st.metas == nil {
		st.metas = make(map[string]*meta, len(st.before.of))
	}
	if old := st.before.of[family]; old != nil && old.help == help && old.unit == unit {
		st.metas[family] = old
		return
	}
	st.newMeta = true
	st.metas[family] = &meta{help, unit}
}

// metaSetOf gives what the stage's page says, as one that there is already where it says the same.
func (f *Fold) metaSetOf(st *Stage) *metaSet {
	if !st.newMeta && maps.Equal(st.before.of, st.metas) {
		return st.before
	}
	if !maps.EqualFunc(f.lastMetas.of, st.metas, func(a, b *meta) bool { return *a == *b }) {
		f.lastMetas = &metaSet{st.metas}
	}
	return f.lastMetas
}

// leaveMetas keeps what a worker said that departs.
func (f *Fold) leaveMetas(set *metaSet) {
	if set != nil {
		maps.Copy(f.metas, set.of)
	}
}

// metaOf gives HELP and UNIT of the newest worker that says something.
func (f *Fold) metaOf(name string) (help, unit string) {
	var last *metaSet
	for _, inc := range slices.Backward(f.incarnations) {
		if inc.metas == nil || inc.metas == last {
			continue // says nothing else
		}
		last = inc.metas
		help, unit = last.of[name].or(help, unit)
	}
	return f.metas[name].or(help, unit)
}

// or fills in what nobody newer has said; nil says nothing.
func (m *meta) or(help, unit string) (string, string) {
	if m == nil {
		return help, unit
	}
	return cmp.Or(help, m.help), cmp.Or(unit, m.unit)
}

// metaConflicts are HELP and UNIT that differ; an empty one agrees with all.
func (f *Fold) metaConflicts(list []Conflict) []Conflict {
	newest := map[string]*meta{}
	var agreed *metaSet
	for _, inc := range slices.Backward(f.incarnations) {
		if !inc.present || inc.metas == nil || inc.metas == agreed {
			continue
		}
		before := len(list)
		for name, m := range inc.metas.of {
			list = m.conflicts(list, name, inc.WorkerID, newest)
		}
		if agreed = nil; len(list) == before {
			agreed = inc.metas
		}
	}
	return list
}

// conflicts are what a worker says of a family and newer workers do not.
func (m *meta) conflicts(list []Conflict, name, workerID string, newest map[string]*meta) []Conflict {
	n := newest[name]
	if n == nil {
		newest[name] = m
		return list
	}
	if n.help != m.help && n.help != "" && m.help != "" {
		list = append(list, Conflict{"help", name, workerID, fmt.Sprintf("HELP %q here and %q in newer workers", m.help, n.help)})
	}
	if n.unit != m.unit && n.unit != "" && m.unit != "" {
		list = append(list, Conflict{"unit", name, workerID, fmt.Sprintf("UNIT %q here and %q in newer workers", m.unit, n.unit)})
	}
	return list
}

// appendMetas writes what is shown as HELP and UNIT, so that it is there before the workers say it again.
func (f *Fold) appendMetas(dst []byte) []byte {
	for _, fam := range f.inOrder() {
		if help, unit := f.metaOf(fam.name); help != "" || unit != "" {
			dst = append(dst, 1)
			dst = appendString(appendString(appendString(dst, fam.name), help), unit)
		}
	}
	return append(dst, 0)
}

func (f *Fold) readMetas(r *reader) {
	for r.bool() {
		name := r.string()
		f.metas[name] = &meta{r.string(), r.string()}
	}
}
