package merge

// Rose tells whether the staged page shows that its incarnation has counted on since its last snapshot: some
// cumulative line is higher, and none is lower.
func (f *Fold) Rose(st *Stage) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.decideLayout()
	st.own()
	f.translate(st)
	f.scatter(st.inc)
	rose := false
	for i, slot := range st.slots {
		if f.previousMark[slot] != f.generation || !f.fallIsReset(slot) {
			continue
		}
		if st.values[i] < f.previous[slot] {
			return false
		}
		rose = rose || st.values[i] > f.previous[slot]
	}
	return rose
}

// Silent tells whether the incarnation has not given a page yet.
func (f *Fold) Silent(inc *Incarnation) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return !inc.committed
}
