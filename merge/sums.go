package merge

import "sort"

// sums are sparse totals by slot, sorted by it. Buckets are counts between neighbouring bounds.
type sums struct {
	slots  []Slot
	values []sum
}

func (t *sums) at(slot Slot) *sum {
	i := sort.Search(len(t.slots), func(i int) bool { return t.slots[i] >= slot })
	if i == len(t.slots) || t.slots[i] != slot {
		t.slots = append(t.slots, 0)
		t.values = append(t.values, sum{})
		copy(t.slots[i+1:], t.slots[i:])
		copy(t.values[i+1:], t.values[i:])
		t.slots[i], t.values[i] = slot, sum{}
	}
	return &t.values[i]
}

func (t *sums) add(slot Slot, v float64) { t.at(slot).add(v) }

// drop forgets a slot.
func (t *sums) drop(slot Slot) {
	if i := sort.Search(len(t.slots), func(i int) bool { return t.slots[i] >= slot }); i < len(t.slots) && t.slots[i] == slot {
		t.values[i] = sum{}
	}
}
