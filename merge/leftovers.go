package merge

import (
	"maps"
	"slices"
	"time"
)

// What folded incarnations left, as the records have it.

const (
	leftSum = 1 << iota // not 0
	leftRest
	leftGauge // be it 0
	leftEnd
)

func (f *Fold) appendLedger(dst []byte) []byte {
	for slot, v := range f.ledger {
		kind := byte(0)
		if v.hi != 0 {
			kind |= leftSum
		}
		if v.lo != 0 {
			kind |= leftRest
		}
		if f.folded[slot] {
			kind |= leftGauge
		}
		if kind == 0 {
			continue
		}
		dst = append(appendUint(dst, slot+1), kind)
		if kind&leftSum != 0 {
			dst = appendFloat(dst, v.hi)
		}
		if kind&leftRest != 0 {
			dst = appendFloat(dst, v.lo)
		}
	}
	return append(dst, 0)
}

// readLedger leaves out lines of a later life, as all that follow do.
func (f *Fold) readLedger(r *reader, life uint64) {
	for {
		slot := r.below(len(f.lines) + 1)
		if slot == 0 {
			return
		}
		kind := r.below(leftEnd)
		var v sum
		if kind&leftSum != 0 {
			v.hi = r.float()
		}
		if kind&leftRest != 0 {
			v.lo = r.float()
		}
		if f.same(Slot(slot-1), life) {
			f.ledger[slot-1], f.folded[slot-1] = v, kind&leftGauge != 0
		}
	}
}

// same tells whether a slot is still what it was when that life was the last.
func (f *Fold) same(slot Slot, life uint64) bool {
	return f.lines[slot].life <= life && f.lines[slot].series != f.nobody
}

func (f *Fold) appendRecent(dst []byte) []byte {
	for _, slot := range slices.Sorted(maps.Keys(f.recent)) {
		dst = appendUint(dst, int(slot)+1)
		dst = appendRank(appendFloat(dst, f.recent[slot].value), f.recent[slot].rank)
	}
	return append(dst, 0)
}

func (f *Fold) readRecent(r *reader, life uint64) {
	for {
		slot := r.below(len(f.lines) + 1)
		if slot == 0 {
			return
		}
		left := recent{r.float(), r.rank()}
		if f.same(Slot(slot-1), life) {
			f.recent[Slot(slot-1)] = left
		}
	}
}

func appendRank(dst []byte, r rank) []byte {
	return appendUint(appendUint(append(dst, r.kind), uint64(r.at)), r.seq)
}

func (r *reader) rank() rank { return rank{uint8(r.below(3)), int64(r.uint()), r.uint()} }

func (f *Fold) appendExtremes(dst []byte) []byte {
	for _, slot := range slices.Sorted(maps.Keys(f.extremes)) {
		e := f.extremes[slot]
		dst = appendUint(dst, int(slot)+1)
		dst = appendUint(dst, uint64(e.retention))
		dst = appendFloat(appendFloat(dst, e.forever.min), e.forever.max)
		for _, w := range e.windows {
			if dst = appendUint(dst, uint64(w.number)); w.number != 0 {
				dst = appendFloat(appendFloat(dst, w.min), w.max)
			}
		}
	}
	return append(dst, 0)
}

func (f *Fold) readExtremes(r *reader, life uint64) {
	for {
		slot := r.below(len(f.lines) + 1)
		if slot == 0 {
			return
		}
		e := &extremes{retention: time.Duration(r.uint()), forever: span{r.float(), r.float()}}
		for i := range e.windows {
			if w := &e.windows[i]; r.err == nil {
				if w.number = int64(r.uint()); w.number != 0 {
					w.span = span{r.float(), r.float()}
				}
			}
		}
		if f.same(Slot(slot-1), life) {
			f.extremes[Slot(slot-1)] = e
		}
	}
}

func (f *Fold) appendDepartedAll(dst []byte) []byte {
	for _, id := range slices.Sorted(maps.Keys(f.departedAll)) {
		d := f.departedAll[id]
		dst = append(dst, 1)
		dst = f.appendTime(appendString(dst, id), d.at)
		dst = appendFloats(appendSlots(dst, d.slots), d.values)
	}
	return append(dst, 0)
}

func (f *Fold) readDepartedAll(r *reader, life uint64) {
	for r.bool() {
		id, d := r.string(), &departedID{at: r.time(f)}
		slots := r.slots(len(f.lines))
		for i, v := range r.floats(len(slots)) {
			if f.same(slots[i], life) {
				d.slots, d.values = append(d.slots, slots[i]), append(d.values, v)
			}
		}
		f.departedAll[id] = d
	}
}

func (f *Fold) readHints(r *reader) {
	for r.bool() {
		name := r.string()
		f.hints[name] = Mode(r.below(int(ModeOmit) + 1))
	}
}
