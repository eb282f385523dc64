package merge

// sums are sparse totals by slot. Buckets are counts between neighbouring bounds.
type sums struct {
	slots  []Slot
	values []sum
	index  map[Slot]int // where a slot is: ten thousand removed series cost ten thousand steps

	encoded []byte // for pages
	named   int    // bytes of it that say which slots, as they are now; 0: anew
	same    bool   // all of it holds
}

func (t *sums) add(slot Slot, v float64) { t.addSum(slot, sum{hi: v}) }

func (t *sums) addSum(slot Slot, v sum) {
	i, ok := t.index[slot]
	if !ok {
		if t.index == nil {
			t.index = map[Slot]int{}
		}
		i = len(t.slots)
		t.index[slot] = i
		t.slots, t.values = append(t.slots, slot), append(t.values, sum{})
		t.named = 0
	}
	t.values[i].addSum(v)
	t.same = false
}

// addAt adds to the sum at a place.
func (t *sums) addAt(i int, v float64) {
	t.values[i].add(v)
	t.same = false
}

// bytes gives the sums for a page: slots, high parts, and what is not 0 of the low ones.
func (t *sums) bytes() []byte {
	if t.same {
		return t.encoded
	}
	if t.named == 0 {
		t.encoded = appendSlots(t.encoded[:0], t.slots)
		t.named = len(t.encoded)
	}
	dst, rests := t.encoded[:t.named], 0
	for _, v := range t.values {
		dst = appendFloat(dst, v.hi)
		if v.lo != 0 {
			rests++
		}
	}
	dst = appendUint(dst, rests)
	for i, v := range t.values {
		if v.lo != 0 {
			dst = appendFloat(appendUint(dst, i), v.lo)
		}
	}
	t.encoded, t.same = dst, true
	return dst
}

// sums reads what bytes wrote, of a fold with n slots.
func (r *reader) sums(n int) (slots []Slot, values []sum) {
	slots = r.slots(n)
	values = make([]sum, len(slots))
	for i := range values {
		values[i].hi = r.float()
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
