package merge

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/fedscrape/fedscrape/exposition"
)

// Slot is exposition's: the number of one line, the same for all workers of an instance.
type Slot = exposition.Slot

const noSlot = exposition.NoSlot

// class says what the fold does with a slot's values.
type class uint8

const (
	classSkip      class = iota // the family's other type won, or the mode is omit
	classSum                    // cumulative: ledger + offset + last
	classLiveSum                // gauge histograms: over workers that are up
	classMixed                  // a cumulative bucket of a series whose workers disagree on bounds
	classLiveMixed              // the same of a gauge histogram
	classGauge                  // by gauge mode
	classInfo                   // shown while a worker that is up has it
	classCreated                // start time
	classQuantile               // kept per worker
	classDropped                // quantiles that are not kept
)

// line is what the fold knows of one slot.
type line struct {
	variant *variant
	series  *series
	part    exposition.Part
	bound   float64
	life    uint64 // since it has what it has
	first   uint64 // its life when the slot became this line
	made    uint64 // how often Compact had freed slots when this slot became this line
}

// name is the line's series for a person: the family and its labels.
func (l *line) name() string {
	var b strings.Builder
	b.WriteString(l.variant.family.name)
	for i, label := range l.series.labels {
		b.WriteString(map[bool]string{true: "{", false: ","}[i == 0])
		fmt.Fprintf(&b, "%s=%q", label.Name, label.Value)
	}
	if len(l.series.labels) > 0 {
		b.WriteByte('}')
	}
	return b.String()
}

// family is all that goes under one name.
type family struct {
	name     string
	variants map[exposition.Type]*variant
	// winner is the type that is shown; a variant of another type is left out, Unknown agrees with every type.
	winner   exposition.Type
	decided  bool
	mode     Mode
	modeFrom string // rule, hint, builtin, default
	rule     Mode   // of the first rule that fits, where ruled
	ruled    bool
	forever  bool // min that outlives departed_retention
	notInfo  bool // a value other than 1 was seen
	oddAt    time.Time

	form       *exposition.Form // of the last page that shows it
	plan       []step           // by which its numbers are found
	plannedFor uint64           // the fold's shape when the plan was made; 0: there is none
	help, unit string           // of the newest worker
	metaShape  uint64           // the fold's, when they were looked up
}

// variant is a family as one type.
type variant struct {
	family   *family
	typ      exposition.Type
	byLabels map[string]*series
	series   []*series
	sorted   bool
}

func (v *variant) cumulative() bool {
	return v.typ.Cumulative() || v.typ == exposition.Unknown && isTotal(v.family.name)
}

// ordered gives the series in the order of their labels.
func (v *variant) ordered() []*series {
	if !v.sorted {
		slices.SortFunc(v.series, func(a, b *series) int { return compareLabels(a.labels, b.labels) })
		v.sorted = true
	}
	return v.series
}

// series is one label set of a variant, and the slots of its lines.
type series struct {
	variant   *variant
	labels    exposition.Labels
	value     Slot
	sum       Slot
	count     Slot
	created   Slot
	buckets   []boundSlot // ascending
	quantiles []boundSlot
	hidden    bool // another family already shows a line of this name and these labels

	pending  bool               // no page that has it was committed yet
	since    time.Time          // when it was made
	bare     map[Slot]time.Time // since when nobody has had a bound, as Compact saw it
	lastHeld time.Time          // when a present worker had it last, of one that none has; else lastHeldOf tells
	start    startTime

	// What follows is scratch of one Commit, valid where page is the fold's generation.
	page, reset    uint64
	top            int32 // rank of the highest finite bound
	inf, cnt       float64
	topAt, cntLine int
	hasInf, hasCnt bool
}

type boundSlot struct {
	bound float64
	slot  Slot
}

// startTime is a series' exported start: decided when it is first shown, never moved after, and given up as soon as
// a contribution comes without one.
type startTime struct {
	decided bool
	seconds float64 // 0: none
	// ledgerLacks says that a folded contribution had none; ledger is the earliest of those that had.
	ledgerLacks bool
	ledger      float64
}

func newSeries(v *variant, labels exposition.Labels) *series {
	return &series{variant: v, labels: labels, pending: true, value: noSlot, sum: noSlot, count: noSlot, created: noSlot}
}

// lineOf gives the slot of a part of the series; noSlot where it does not have it.
func (s *series) lineOf(part exposition.Part, bound float64) Slot {
	switch part {
	case exposition.PartSum:
		return s.sum
	case exposition.PartCount:
		return s.count
	case exposition.PartCreated:
		return s.created
	case exposition.PartBucket:
		return findBound(s.buckets, bound)
	case exposition.PartQuantile:
		return findBound(s.quantiles, bound)
	default:
		return s.value
	}
}

// multi tells whether a reset concerns several lines at once.
func (s *series) multi() bool {
	return s.variant.typ == exposition.Histogram || s.variant.typ == exposition.Summary
}

// set remembers which slot a part of the series has.
func (s *series) set(part exposition.Part, bound float64, slot Slot) {
	switch part {
	case exposition.PartValue:
		s.value = slot
	case exposition.PartSum:
		s.sum = slot
	case exposition.PartCount:
		s.count = slot
	case exposition.PartCreated:
		s.created = slot
	case exposition.PartBucket:
		s.buckets = insertBound(s.buckets, boundSlot{bound, slot})
	case exposition.PartQuantile:
		s.quantiles = insertBound(s.quantiles, boundSlot{bound, slot})
	}
}

// inf gives the slot of the +Inf bucket. Every page that has the series has it: commit sees to that.
func (s *series) infSlot() Slot { return s.buckets[len(s.buckets)-1].slot }

// slots calls f with each of the series' slots.
func (s *series) slots(f func(Slot)) {
	for _, slot := range []Slot{s.value, s.sum, s.count, s.created} {
		if slot != noSlot {
			f(slot)
		}
	}
	for _, b := range s.buckets {
		f(b.slot)
	}
	for _, q := range s.quantiles {
		f(q.slot)
	}
}

func insertBound(list []boundSlot, b boundSlot) []boundSlot {
	i, _ := placeOf(list, b.bound)
	return slices.Insert(list, i, b)
}

func findBound(list []boundSlot, bound float64) Slot {
	if i, has := placeOf(list, bound); has {
		return list[i].slot
	}
	return noSlot
}

// placeOf gives where a bound is, or belongs.
func placeOf(list []boundSlot, bound float64) (i int, has bool) {
	return slices.BinarySearchFunc(list, bound, func(b boundSlot, bound float64) int { return cmp.Compare(b.bound, bound) })
}

func compareLabels(a, b exposition.Labels) int {
	return slices.CompareFunc(a, b, func(x, y exposition.Label) int {
		return cmp.Or(strings.Compare(x.Name, y.Name), strings.Compare(x.Value, y.Value))
	})
}
