package merge

// Snapshot is a page of the past, to hold others against. It must not be used with another fold.
type Snapshot struct {
	slots []Slot
	last  []float64
}

// Snapshot gives the incarnation's last page.
func (f *Fold) Snapshot(inc *Incarnation) *Snapshot {
	f.mu.Lock()
	defer f.mu.Unlock()
	return &Snapshot{inc.slots, inc.last}
}

// Snapshot gives the staged page.
func (st *Stage) Snapshot() *Snapshot { return &Snapshot{st.slots, st.values} }

// Gap is how a page follows another.
type Gap struct {
	// Fell tells that a cumulative series is lower, or is gone: the page is not a later one of the same life.
	Fell bool
	// Changed counts the cumulative series that are new or not the same, Rise is by how much in all.
	Changed int
	Rise    float64
}

// Gap tells how the staged page follows a snapshot.
func (f *Fold) Gap(st *Stage, from *Snapshot) (g Gap) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.decideLayout()
	f.translate(st)
	f.generation++
	for i, slot := range from.slots {
		slot = f.target[slot]
		f.previous[slot], f.previousMark[slot] = from.last[i], f.generation
	}
	for i, slot := range st.slots {
		if f.mark[slot] == f.generation || !f.fallIsReset(slot) {
			continue
		}
		f.mark[slot] = f.generation
		before := 0.0
		if f.previousMark[slot] == f.generation {
			before = f.previous[slot]
		}
		g.step(st.values[i] - before)
	}
	for _, slot := range from.slots {
		slot = f.target[slot]
		g.Fell = g.Fell || f.mark[slot] != f.generation && f.fallIsReset(slot) && !f.synthesized(slot)
	}
	return g
}

func (g *Gap) step(by float64) {
	switch {
	case by < 0:
		g.Fell = true
	case by > 0:
		g.Changed++
		g.Rise += by
	}
}
