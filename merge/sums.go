package merge

import (
	"encoding/binary"
	"math"
	"slices"
)

// sums are sparse totals by slot. Buckets are counts between neighbouring bounds.
type sums struct {
	slots  []Slot
	values []sum
	index  map[Slot]int32 // one more than where a slot is: ten thousand removed series cost ten thousand steps
	dense  []int32        // the same by slot, for the lower ones
	top    Slot           // the highest

	encoded []byte // which slots, for pages; nil: anew
}

func (t *sums) add(slot Slot, v float64) { t.addSum(slot, sum{hi: v}) }

func (t *sums) addSum(slot Slot, v sum) { t.values[t.place(slot)].addSum(v) }

// find gives one more than where a slot is; 0 where it has no sum.
func (t *sums) find(slot Slot) int32 {
	if int(slot) < len(t.dense) {
		return t.dense[slot]
	}
	return t.index[slot]
}

// place gives where a slot is, from now on if it was not.
func (t *sums) place(slot Slot) int {
	if at := t.find(slot); at > 0 {
		return int(at - 1)
	}
	t.slots, t.values = append(t.slots, slot), append(t.values, sum{})
	t.encoded = nil
	t.note(slot, int32(len(t.slots)))
	return len(t.slots) - 1
}

// manySums is how many slots a map is for: where there are more, and they are an eighth of all up to the highest, an
// index by slot is smaller.
const manySums = 256

func (t *sums) note(slot Slot, at int32) {
	if int(slot) < len(t.dense) {
		t.dense[slot] = at
		return
	}
	if t.index == nil {
		t.index = map[Slot]int32{}
	}
	t.index[slot] = at
	if t.top = max(t.top, slot); len(t.index) <= manySums || len(t.slots) <= int(t.top)/8 {
		return
	}
	t.dense, t.index = make([]int32, t.top+1), nil
	for i, s := range t.slots {
		t.dense[s] = int32(i + 1)
	}
}

// appendTo writes the sums for a page: slots, high parts, and what is not 0 of the low ones.
func (t *sums) appendTo(dst []byte) []byte {
	if t.encoded == nil {
		t.encoded = appendSlots([]byte{}, t.slots)
	}
	dst = append(dst, t.encoded...)
	at, rests := len(dst), 0
	dst = slices.Grow(dst, 8*len(t.values))[:at+8*len(t.values)]
	out := dst[at:]
	for i := range t.values {
		v := &t.values[i]
		binary.LittleEndian.PutUint64(out, math.Float64bits(v.hi))
		out = out[8:]
		if v.lo != 0 {
			rests++
		}
	}
	if dst = appendUint(dst, rests); rests == 0 {
		return dst
	}
	for i, v := range t.values {
		if v.lo != 0 {
			dst = appendFloat(appendUint(dst, i), v.lo)
		}
	}
	return dst
}

// sums reads what appendTo wrote, of a fold with n slots.
func (r *reader) sums(n int) (slots []Slot, values []sum) {
	slots = r.slots(n)
	values = make([]sum, len(slots))
	for i, hi := range r.floats(len(slots)) {
		values[i].hi = hi
	}
	for range r.count(9) {
		if i := r.below(len(values)); r.err == nil {
			values[i].lo = r.float()
		}
	}
	return slots, values
}

// drop forgets the slots that gone names.
func (t *sums) drop(gone func(Slot) bool) {
	old := *t
	*t = sums{slots: old.slots[:0], values: old.values[:0]}
	for i, slot := range old.slots {
		if !gone(slot) {
			t.addSum(slot, old.values[i])
		}
	}
}
