package merge

// sums are sparse totals by slot. Buckets are counts between neighbouring bounds.
type sums struct {
	slots  []Slot
	values []sum
	index  map[Slot]int // where a slot is: ten thousand removed series cost ten thousand steps

	encoded []byte // for pages; nil: anew
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
	}
	t.values[i].addSum(v)
	t.encoded = nil
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
