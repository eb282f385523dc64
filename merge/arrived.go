package merge

// arrived is what pages say that have come since the last page was made: added up one by one, while they are in the processor's
// caches, so that a page is made sooner after the last of them. Each round begins with nothing: it does not drift.
type arrived struct {
	sums    []sum  // by slot, of lines that are added up as they are; empty where it does not hold
	pages   int    // how many
	round   uint64 // of those incarnations whose page it has
	meaning uint64 // of the fold
	made    bool   // a page was made since: what comes now begins anew
}

// addArrived adds an incarnation's last page, of which the fold knows what each line is.
func (f *Fold) addArrived(inc *Incarnation, o *order) {
	a := &f.arrived
	if a.made || len(a.sums) != len(f.lines) || a.meaning != f.meaning {
		f.dropArrived()
		a.sums, a.meaning = zeroed(a.sums, len(f.lines)), f.meaning
	}
	a.pages++
	inc.arrived = a.round
	addSums(a.sums, inc, o)
}

// dropArrived begins anew.
func (f *Fold) dropArrived() {
	f.arrived = arrived{sums: f.arrived.sums[:0], round: f.arrived.round + 1}
}

// leaveArrived is called before an incarnation's last page is another one.
func (f *Fold) leaveArrived(inc *Incarnation) {
	if inc.arrived == f.arrived.round {
		f.dropArrived()
	}
}

// arrivedHolds tells whether all of it is what present incarnations say. One that departed meanwhile and came back has no order
// any more: it is added up line by line.
func (f *Fold) arrivedHolds() bool {
	a, pages := &f.arrived, 0
	for _, inc := range f.incarnations {
		if inc.present && inc.arrived == a.round && inc.order != nil {
			pages++
		}
	}
	return pages == a.pages && len(a.sums) == len(f.lines) && a.meaning == f.meaning
}

// addSums adds up the lines that are added up as they are.
func addSums(to []sum, inc *Incarnation, o *order) {
	for _, r := range o.sums {
		slots, last := inc.slots[r.begin:r.end], inc.last[r.begin:r.end]
		for i, slot := range slots {
			if s := &to[slot]; !s.addWhole(last[i]) {
				s.add(last[i])
			}
		}
	}
}
