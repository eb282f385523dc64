package merge

import "slices"

// sums are sparse totals by slot. Buckets are counts between neighbouring bounds.
type sums struct {
	slots []Slot
	highs []float64 // of each sum
	lease *lease    // of highs
	rests rests
	index map[Slot]int32 // one more than where a slot is: ten thousand removed series cost ten thousand steps
	dense []int32        // the same by slot, for the lower ones
	top   Slot           // the highest

	encoded []byte // which slots, for pages; nil: anew
}

func (t *sums) add(slot Slot, v float64) { t.addSum(slot, sum{hi: v}) }

func (t *sums) addSum(slot Slot, v sum) {
	place := t.place(slot)
	if t.addAt(place, v.hi); v.lo != 0 {
		t.addAt(place, v.lo)
	}
}

// addAt adds to the sum at a place.
func (t *sums) addAt(place int, v float64) {
	t.own()
	s := t.at(place)
	s.add(v)
	if t.highs[place] = s.hi; s.lo != 0 || t.rests.has(place) {
		t.rests.set(place, s.lo)
	}
}

// own makes the high parts the sums' alone before they change.
func (t *sums) own() {
	if t.lease != nil && t.lease.holders > 1 {
		t.lease.holders--
		t.highs, t.lease = slices.Clone(t.highs), nil
	}
}

// at gives the sum at a place.
func (t *sums) at(place int) sum { return sum{t.highs[place], t.rests.get(place)} }

// find gives one more than where a slot is; 0 where it has no sum.
func (t *sums) find(slot Slot) int32 {
	if int(slot) < len(t.dense) {
		return t.dense[slot]
	}
	return t.index[slot]
}

// grow makes room for so many more slots: appended one by one they would take up to a quarter more.
func (t *sums) grow(n int) {
	if n > 0 {
		t.slots, t.highs = slices.Grow(t.slots, n), slices.Grow(t.highs, n)
	}
}

// place gives where a slot is, from now on if it was not.
func (t *sums) place(slot Slot) int {
	if at := t.find(slot); at > 0 {
		return int(at - 1)
	}
	t.slots, t.highs = append(t.slots, slot), append(t.highs, 0)
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

// say writes the sums for a page: slots, high parts, and what is not 0 of the low ones.
func (t *sums) say(said *Said) {
	if t.encoded == nil {
		t.encoded = appendSlots([]byte{}, t.slots)
	}
	said.text = append(said.text, t.encoded...)
	said.add(t.highs, &t.lease)
	left := 0
	for _, low := range t.rests.lows {
		if low != 0 {
			left++
		}
	}
	said.text = appendUint(said.text, left)
	t.rests.each(func(place int, low float64) {
		if low != 0 {
			said.text = appendFloat(appendUint(said.text, place), low)
		}
	})
}

// sums reads what say wrote, of a fold with n slots.
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
	t.own()
	old := *t
	*t = sums{slots: old.slots[:0], highs: old.highs[:0]}
	for i, slot := range old.slots {
		if !gone(slot) {
			t.addSum(slot, old.at(i))
		}
	}
}
