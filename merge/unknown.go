package merge

import (
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/fedscrape/fedscrape/exposition"
)

// joinUnknown lets untyped lines count where a typed family claims their name.
func (f *Fold) joinUnknown() {
	for slot := range len(f.lines) {
		l := &f.lines[slot]
		if l.part != exposition.PartValue || !f.mayJoin(l.variant) {
			continue
		}
		id, ok := f.typedID(l)
		if !ok {
			continue
		}
		if target := f.slot(id); target != noSlot {
			f.extend()
			f.target[slot], f.joined = target, true
			f.lines[target].series.pending = false
			if !f.ledger[slot].isZero() {
				f.ledger[target].addSum(f.ledger[slot])
				f.ledger[slot] = sum{}
				f.changed()
			}
		}
	}
	f.layout = true // f.slot found new lines; they are part of this layout
}

// translate gives a staged page's untyped lines the slots of the typed ones that they are, so that a reset or a
// removal is seen for the histogram as a whole. The last snapshot, which may be from before the type was known,
// follows. What the page itself said is kept in st.untyped: it has no say in the type.
func (f *Fold) translate(st *Stage) {
	if !f.joined {
		return
	}
	for i, slot := range st.slots {
		target := f.target[slot]
		if target == slot {
			continue
		}
		if st.untyped == nil {
			st.untyped = map[Slot]Slot{}
		}
		st.slots[i], st.untyped[target] = target, slot
		if ms, ok := st.stamps[slot]; ok {
			st.stamps[target] = ms
		}
	}
	if !slices.ContainsFunc(st.inc.slots, func(slot Slot) bool { return f.target[slot] != slot }) {
		return
	}
	slots := slices.Clone(st.inc.slots)
	for i, slot := range slots {
		if target := f.target[slot]; target != slot {
			slots[i] = target
			st.inc.setUntyped(target, slot)
		}
	}
	st.inc.setLines(slots)
}

// mayJoin tells whether lines of the variant may belong to another family's type: untyped ones, and gauges that an
// exposition without start times of its own uses for them.
func (f *Fold) mayJoin(v *variant) bool {
	return v.typ == exposition.Unknown || v.typ == exposition.Gauge && strings.HasSuffix(v.family.name, "_created")
}

// typedID is what an untyped line would be called had its page said the type that others say.
func (f *Fold) typedID(l *line) (exposition.SeriesID, bool) {
	name := l.variant.family.name
	id := exposition.SeriesID{Family: name, Type: l.variant.family.winner, Labels: l.series.labels}
	if base := f.startOf(name); base != nil {
		id.Family, id.Type, id.Part = base.name, base.winner, exposition.PartCreated
		return id, true
	}
	if l.variant.typ != exposition.Unknown {
		return id, false
	}
	if id.Type != exposition.Unknown {
		return f.partByLabel(id)
	}
	for suffix, part := range map[string]exposition.Part{
		"_bucket": exposition.PartBucket, "_sum": exposition.PartSum, "_count": exposition.PartCount,
	} {
		base, cut := strings.CutSuffix(name, suffix)
		if fam := f.families[base]; cut && fam != nil && multi(fam.winner) && (part != exposition.PartBucket || fam.winner == exposition.Histogram) {
			id.Family, id.Type, id.Part = base, fam.winner, part
			return f.partByLabel(id)
		}
	}
	return id, false
}

func multi(t exposition.Type) bool { return t == exposition.Histogram || t == exposition.Summary }

// partByLabel takes le and quantile out of an untyped line's labels.
func (f *Fold) partByLabel(id exposition.SeriesID) (exposition.SeriesID, bool) {
	label := ""
	switch {
	case id.Part == exposition.PartBucket:
		label = "le"
	case id.Type == exposition.Summary && id.Part == exposition.PartValue:
		label, id.Part = "quantile", exposition.PartQuantile
	case id.Type == exposition.Histogram && id.Part == exposition.PartValue:
		return id, false
	default:
		return id, true
	}
	i := slices.IndexFunc(id.Labels, func(l exposition.Label) bool { return l.Name == label })
	if i < 0 {
		return id, false
	}
	bound, err := strconv.ParseFloat(id.Labels[i].Value, 64)
	id.Bound = bound + 0 // -0 and 0 are one bound
	id.Labels = slices.Delete(slices.Clone(id.Labels), i, i+1)
	return id, err == nil && !math.IsNaN(bound)
}

// startOf gives the cumulative family whose start times the family `x_created` holds, nil where there is none.
func (f *Fold) startOf(name string) *family {
	base, ok := strings.CutSuffix(name, "_created")
	if !ok {
		return nil
	}
	for _, name := range []string{base, base + "_total"} {
		if fam := f.families[name]; fam != nil && fam.winner.Cumulative() {
			return fam
		}
	}
	return nil
}
