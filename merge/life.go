package merge

import (
	"maps"
	"math"
	"slices"

	"github.com/fedscrape/fedscrape/exposition"
)

// # Lives
//
// Records and pages name lines by slots, and are made at different times. Each line has a life: a number that is
// never used again, from when the slot became this line or what the line had was let go. A record or page says which
// life was the last when it was made: a slot whose line has a later life was another line then, or had what has been
// let go since, and what is said of it does not count.

// beginLife gives a slot's line a new life; it goes to the dictionary with the next Save, and with each page until then.
func (f *Fold) beginLife(slot Slot) {
	f.life++
	f.redefine()
	f.lines[slot].life = f.life
	f.unsavedLines = append(f.unsavedLines, slot)
	f.tail = nil
	if len(f.unsavedLines) > 2*len(f.lines)+1024 { // nobody saves
		slices.Sort(f.unsavedLines)
		f.unsavedLines = slices.Compact(f.unsavedLines)
	}
}

// Kinds of entries of the dictionary.
const (
	entryLine       = 1 << iota // else the slot is free
	entrySameFamily             // as the entry before
	entrySameLabels
)

// appendEntries writes what the slots mean now, each once.
func (f *Fold) appendEntries(dst []byte, slots []Slot) []byte {
	var before *line
	slots = once(slots)
	dst = slices.Grow(dst, entrySize*len(slots))
	for _, slot := range slots {
		l := &f.lines[slot]
		dst = appendUint(appendUint(appendUint(dst, int(slot)), l.life), l.life-l.first)
		dst = f.appendEntry(dst, l, before)
		before = l
	}
	return dst
}

// entrySize is about how many bytes an entry has: more with long labels, fewer of a histogram.
const entrySize = 48

// once gives each slot once, in the order in which they come first.
func once(slots []Slot) []Slot {
	if ascending(slots) { // as new lines are, mostly
		return slots
	}
	done, unique := make(map[Slot]bool, len(slots)), make([]Slot, 0, len(slots))
	for _, slot := range slots {
		if !done[slot] {
			done[slot], unique = true, append(unique, slot)
		}
	}
	return unique
}

func ascending(slots []Slot) bool {
	for i := 1; i < len(slots); i++ {
		if slots[i] <= slots[i-1] {
			return false
		}
	}
	return true
}

func (f *Fold) appendEntry(dst []byte, l, before *line) []byte {
	if l.series == f.nobody {
		return append(dst, 0)
	}
	kind := byte(entryLine)
	if before != nil && before.variant.family == l.variant.family {
		kind |= entrySameFamily
	}
	if before != nil && before.series == l.series {
		kind |= entrySameLabels
	}
	dst = append(dst, kind)
	if kind&entrySameFamily == 0 {
		dst = appendString(dst, l.variant.family.name)
	}
	if kind&entrySameLabels == 0 {
		dst = appendUint(dst, len(l.series.labels))
		for _, label := range l.series.labels {
			dst = appendString(appendString(dst, label.Name), label.Value)
		}
	}
	dst = append(dst, byte(l.variant.typ), byte(l.part))
	if l.part == exposition.PartBucket || l.part == exposition.PartQuantile {
		dst = appendFloat(dst, l.bound)
	}
	return dst
}

// entry is what a slot means from one life on.
type entry struct {
	life, first uint64
	free        bool
	id          exposition.SeriesID
}

// dictionary is what the slots mean, the last life of each.
type dictionary map[Slot]entry

// read takes the entries of one record, or of a page.
func (d dictionary) read(b []byte, slots int) (n int, err error) {
	r := &reader{b: b}
	var id exposition.SeriesID
	for len(r.b) > 0 {
		slot, life, since, kind := r.slot(slots), r.uint(), r.uint(), r.below(2*entrySameLabels)
		e := entry{life: life, first: life - since, free: kind&entryLine == 0}
		if !e.free {
			readID(r, kind, &id)
			e.id = id
		}
		if r.err != nil {
			return 0, r.err
		}
		n++
		if old, has := d[slot]; !has || old.life < life {
			d[slot] = e
		}
	}
	return n, r.err
}

func readID(r *reader, kind int, id *exposition.SeriesID) {
	if kind&entrySameFamily == 0 {
		id.Family = r.string()
	}
	if kind&entrySameLabels == 0 {
		id.Labels = make(exposition.Labels, r.count(2))
		for i := range id.Labels {
			id.Labels[i].Name, id.Labels[i].Value = r.string(), r.string()
		}
	}
	id.Type = exposition.Type(r.below(int(exposition.StateSet) + 1))
	id.Part, id.Bound = exposition.Part(r.below(int(exposition.PartCreated)+1)), 0
	if id.Part == exposition.PartBucket || id.Part == exposition.PartQuantile {
		if id.Bound = r.float(); math.IsNaN(id.Bound) {
			r.fail() // a bound is a number
		}
	}
}

// makeLines fills the empty fold with n lines; slots that mean nothing are free.
func (f *Fold) makeLines(d dictionary, n int) error {
	f.growLines(n)
	for range n {
		f.appendLine(f.nobodysLine())
	}
	for _, slot := range slices.Sorted(maps.Keys(d)) {
		e := d[slot]
		if f.lines[slot].life = e.life; e.free {
			continue
		}
		s := f.seriesOf(e.id)
		if s == nil {
			s = f.makeSeries(e.id)
		} else if s.lineOf(e.id.Part, e.id.Bound) != noSlot {
			return errDamaged
		}
		f.setLine(slot, s, e.id.Part, e.id.Bound)
		f.lines[slot].life, f.lines[slot].first = e.life, e.first
	}
	for slot := range f.lines {
		if f.lines[slot].series == f.nobody {
			f.freed = append(f.freed, freedSlot{Slot(slot), f.pages})
		}
	}
	return nil
}
