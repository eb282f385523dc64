package merge

import (
	"bytes"
	"math"
	"slices"
	"unsafe"
)

// Snapshot is a page of the past, to hold others against. It must not be used with another fold.
type Snapshot struct {
	slots []Slot
	last  []float64
	life  uint64 // slots of a later life mean something else by now
	lease *lease
}

// lease counts who has a page's values, which nobody changes meanwhile: a stage or an incarnation, and snapshots. Who is the
// last gives their memory back. No lease: a stage or an incarnation has them alone.
type lease struct{ holders int }

// lend adds a holder.
func lend(l **lease) *lease {
	if *l == nil {
		*l = &lease{1}
	}
	(*l).holders++
	return *l
}

// giveBack takes a holder away.
func (f *Fold) giveBack(values []float64, l *lease) {
	if l != nil {
		if l.holders--; l.holders > 0 {
			return
		}
	}
	f.recycle(values)
}

// Release says that a snapshot is not used any more: its memory is used again. It need not be called. nil is none.
func (f *Fold) Release(s *Snapshot) {
	if s == nil || s.lease == nil {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.giveBack(s.last, s.lease)
	*s = Snapshot{}
}

// Share gives the snapshot once more, to be released on its own.
func (f *Fold) Share(s *Snapshot) *Snapshot {
	f.mu.Lock()
	defer f.mu.Unlock()
	return &Snapshot{s.slots, s.last, s.life, lend(&s.lease)}
}

// handOver gives the incarnation's last page, which it has no more.
func (f *Fold) handOver(inc *Incarnation) *Snapshot {
	l := inc.lease
	if inc.lease = nil; l == nil {
		l = &lease{1}
	}
	return &Snapshot{inc.slots, inc.last, f.life, l}
}

// Same tells whether both say the same.
func (s *Snapshot) Same(other *Snapshot) bool {
	return s != nil && other != nil && (s.is(other) || sameBits(s.last, other.last) && slices.Equal(s.slots, other.slots))
}

// is tells whether both are the same, without a look at what they say.
func (s *Snapshot) is(other *Snapshot) bool {
	return other != nil && s.life == other.life && len(s.last) > 0 && len(s.last) == len(other.last) &&
		&s.last[0] == &other.last[0] && &s.slots[0] == &other.slots[0]
}

// Snapshot gives the incarnation's last page.
func (f *Fold) Snapshot(inc *Incarnation) *Snapshot {
	f.mu.Lock()
	defer f.mu.Unlock()
	return &Snapshot{inc.slots, inc.last, f.life, lend(&inc.lease)}
}

// Snapshot gives the staged page.
func (st *Stage) Snapshot() *Snapshot {
	f := st.inc.fold
	f.mu.Lock()
	defer f.mu.Unlock()
	if !st.diverged && st.expected.kept == nil {
		return &Snapshot{st.expected.raw, st.values, f.life, lend(&st.lease)}
	}
	st.own()
	return &Snapshot{slices.Clone(st.slots), slices.Clone(st.values), f.life, &lease{1}}
}

// Gap is how a page follows another.
type Gap struct {
	// Fell tells that a cumulative series is lower, or is gone: the page is not a later one of the same life.
	Fell bool
	// Rise is by how much the cumulative series have risen in all: where none fell.
	Rise float64
	// Same tells that both say the very same: it is found out only of pages with the same lines in the same order.
	Same bool
	odd  bool // some rise is no number
}

// Gap tells how the staged page follows a snapshot.
func (f *Fold) Gap(st *Stage, from *Snapshot) Gap {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.gapOnce(st, from)
}

// GapFrom tells how the staged page follows an incarnation's last one.
func (f *Fold) GapFrom(st *Stage, inc *Incarnation) Gap {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.gapOnce(st, &Snapshot{slots: inc.slots, last: inc.last, life: f.life})
}

func (f *Fold) gapOnce(st *Stage, from *Snapshot) Gap {
	f.decideLayout()
	if st.gapAt != f.turns {
		st.risen = nil // that memory may be another page's by now
	}
	if !from.is(st.gapFrom) || st.gapAt != f.turns {
		st.gap, st.gapFrom, st.gapAt = f.gap(st, from), from, f.turns
	}
	return st.gap
}

func (f *Fold) gap(st *Stage, from *Snapshot) (g Gap) {
	if g, ok := f.gapRepeated(st, from); ok {
		return g
	}
	st.own()
	f.translate(st)
	f.generation++
	left := 0
	for i, slot := range from.slots {
		if f.same(slot, from.life) {
			slot, left = f.target[slot], left+1
			f.previous[slot], f.previousMark[slot] = from.last[i], f.generation
		}
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
		lacks := f.previousMark[slot] == f.generation && f.mark[slot] != f.generation
		g.Fell = g.Fell || lacks && f.fallIsReset(slot) && !f.synthesized(slot)
	}
	g.Fell = g.Fell || left == 0 && len(from.slots) > 0 // all of it was let go
	return g
}

// gapRepeated is for two pages that have the same lines.
func (f *Fold) gapRepeated(st *Stage, from *Snapshot) (g Gap, ok bool) {
	if !f.repeats(st) || len(from.slots) == 0 {
		return g, false
	}
	o := st.inc.order
	if o.kept != nil || &from.slots[0] != &o.slots[0] || len(from.slots) != len(o.slots) || f.agesOf(o) > from.life {
		return g, false
	}
	if g.Same = sameBits(from.last, st.values); !g.Same {
		for _, r := range o.growing {
			if g.steps(from.last[r.begin:r.end], st.values[r.begin:r.end]); g.Fell {
				return g, true
			}
		}
	}
	if last := unsafe.SliceData(st.inc.last); last == &from.last[0] && !g.odd && g.Rise <= math.MaxFloat64 {
		st.risen = last
	}
	return g, true
}

// sameBits tells whether the numbers are the same bit by bit: their bytes are compared many at a time.
func sameBits(a, b []float64) bool { return bytes.Equal(bytesOf(a), bytesOf(b)) }

// steps is step for many, four at a time: one sum would wait for itself at each of them.
func (g *Gap) steps(had, values []float64) {
	var rise [4]float64
	for len(values) >= 4 && len(had) >= 4 {
		a, b, c, d := values[0]-had[0], values[1]-had[1], values[2]-had[2], values[3]-had[3]
		if !(a >= 0 && b >= 0 && c >= 0 && d >= 0) {
			break
		}
		rise[0] += a
		rise[1] += b
		rise[2] += c
		rise[3] += d
		values, had = values[4:], had[4:]
	}
	g.Rise += rise[0] + rise[1] + rise[2] + rise[3]
	for i, v := range values {
		if g.step(v - had[i]); g.Fell {
			return
		}
	}
}

func (g *Gap) step(by float64) {
	switch {
	case by < 0:
		g.Fell = true
	case by > 0:
		g.Rise += by
	case by != by:
		g.odd = true
	}
}
