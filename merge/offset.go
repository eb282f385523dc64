package merge

// leave adds to what an incarnation counted before its own resets. Where f.kept holds, it has that too: adding up need not
// go through every incarnation's offsets.
func (inc *Incarnation) leave(slot Slot, v float64) {
	inc.offset.add(slot, v)
	inc.fold.keep(slot, v)
}

// keep adds to what adding up begins with. A line that is newer than that has it made anew.
func (f *Fold) keep(slot Slot, v float64) {
	switch slot = f.target[slot]; {
	case !f.held:
	case int(slot) >= len(f.kept):
		f.held = false
	case f.isBucket[slot]:
		f.between[slot].add(v)
	default:
		f.kept[slot].add(v)
	}
}

// sumKept adds up what does not change with each page: the ledger, the kept departed incarnations, and what present ones
// counted before their own resets.
func (f *Fold) sumKept() {
	f.kept = zeroed(f.kept, len(f.lines))
	f.between = zeroed(f.between, len(f.lines))
	add := func(slot Slot, v sum) {
		if f.isBucket[slot] {
			f.between[slot].addSum(v)
		} else {
			f.kept[slot].addSum(v)
		}
	}
	for slot, v := range f.ledger {
		add(Slot(slot), v)
	}
	for _, inc := range f.incarnations {
		if !inc.present {
			f.contributions(inc.slots, inc.last, inc.lastSum, func(slot Slot, v float64) { add(slot, sum{hi: v}) })
		}
		for i, slot := range inc.offset.slots {
			add(f.target[slot], inc.offset.at(i))
		}
	}
}
