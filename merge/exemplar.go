package merge

import (
	"bytes"
	"cmp"
	"math"
	"slices"
	"sync"
	"time"

	"github.com/fedscrape/fedscrape/exposition"
)

// # Exemplars
//
// Of each counter and bucket the newest exemplar is kept, whoever of the workers showed it, and whether that one is still
// there or not: it goes with the series. They are kept in memory alone; after a restart the workers' next pages bring them.
//
// What a worker shows of a line takes the place of what it showed before. Between workers the later timestamp decides,
// then, so that the order of pages does not matter, the larger value and the labels. Without a timestamp, an exemplar is
// older than all that have one; of those without, that of the newest worker stands, until it is gone: they do not take
// turns.

// ahead is how far a timestamp may be ahead of our clock, as Prometheus has it for samples. One that is further ahead,
// milliseconds for seconds perhaps, would be the newest for ever: it counts as none.
const ahead = 10 * time.Minute

// pageExemplars are those of one page on its way in, in the page's order.
type pageExemplars struct {
	list []pageExemplar
	text []byte // their labels
}

type pageExemplar struct {
	at         int32 // the page's line
	end        int32 // of its labels in text
	value, sec float64
}

// mostText is how many bytes of labels a page's exemplars may have before those that follow are left out: a million have
// less, commonly.
const mostText = 64 << 20

// pages' exemplars are used again.
var spareExemplars = sync.Pool{New: func() any { return new(pageExemplars) }}

// Exemplar implements exposition.ExemplarSink.
func (st *Stage) Exemplar(at int, x exposition.RawExemplar) {
	if st.exemplars == nil {
		st.exemplars = spareExemplars.Get().(*pageExemplars) //nolint:forcetypeassert // nothing else is put there
	}
	p := st.exemplars
	if len(p.text) > mostText {
		return
	}
	p.text = append(p.text, x.Labels...)
	p.list = append(p.list, pageExemplar{int32(at), int32(len(p.text)), x.Value, x.Timestamp})
}

// release gives the room back.
func (p *pageExemplars) release() {
	if p != nil {
		p.list, p.text = p.list[:0], p.text[:0]
		spareExemplars.Put(p)
	}
}

// keep leaves those of the lines that are named in ascending order; nil: all are. Their places are from then on those
// among these lines.
func (p *pageExemplars) keep(lines []int32) {
	if p == nil || lines == nil {
		return
	}
	text, list, begin, at := p.text[:0], p.list[:0], int32(0), 0
	for _, x := range p.list {
		for at < len(lines) && lines[at] < x.at {
			at++
		}
		labels := p.text[begin:x.end]
		if begin = x.end; at < len(lines) && lines[at] == x.at {
			text = append(text, labels...)
			list = append(list, pageExemplar{int32(at), int32(len(text)), x.value, x.sec})
		}
	}
	p.text, p.list = text, list
}

// exemplar is what is kept of a slot.
type exemplar struct {
	exposition.RawExemplar
	owner *Incarnation         // who showed it; nil: it is gone
	shown *exposition.Exemplar // immutable; nil: nobody has asked
}

// takeExemplars lets a page's exemplars take the place of older ones. slots are those of the page's lines, of untyped
// ones where they count; refused are, ascending, those whose value was refused: what does not count has no exemplar.
func (f *Fold) takeExemplars(st *Stage, slots []Slot, refused []int32, now time.Time) {
	if st.exemplars == nil {
		return
	}
	until, begin := float64(now.Add(ahead).Unix()), int32(0)
	for _, x := range st.exemplars.list {
		offer := exposition.RawExemplar{Labels: st.exemplars.text[begin:x.end], Value: x.value, Timestamp: x.sec}
		begin = x.end
		if _, bad := slices.BinarySearch(refused, x.at); bad {
			continue
		}
		if slot := slots[x.at]; f.lines[slot].hasExemplars() {
			f.offer(slot, offer, st.inc, until)
		}
	}
	st.exemplars.release()
	st.exemplars = nil
}

// hasExemplars tells whether OpenMetrics allows the line one.
func (l *line) hasExemplars() bool {
	return l.part == exposition.PartBucket || l.part == exposition.PartValue && l.variant.typ == exposition.Counter
}

// offer keeps an exemplar that is newer than the one that is kept.
func (f *Fold) offer(slot Slot, x exposition.RawExemplar, by *Incarnation, until float64) {
	if int(slot) >= len(f.exemplars) {
		f.exemplars = append(f.exemplars, make([]*exemplar, len(f.lines)-len(f.exemplars))...)
	}
	e := f.exemplars[slot]
	switch {
	case e == nil:
		e = new(exemplar)
		f.exemplars[slot] = e
	case e.same(x):
		e.owner = cmp.Or(e.owner, by) // it is back
		return
	case e.owner != by && !e.yields(x, by, until):
		return
	}
	e.Labels = append(e.Labels[:0], x.Labels...)
	e.Value, e.Timestamp, e.owner, e.shown = x.Value, x.Timestamp, by, nil
}

func (e *exemplar) same(x exposition.RawExemplar) bool {
	return e.Timestamp == x.Timestamp && math.Float64bits(e.Value) == math.Float64bits(x.Value) && bytes.Equal(e.Labels, x.Labels)
}

// yields tells whether another worker's exemplar takes its place.
func (e *exemplar) yields(x exposition.RawExemplar, by *Incarnation, until float64) bool {
	had, has := e.Timestamp, x.Timestamp
	if had > until {
		had = 0
	}
	if has > until {
		has = 0
	}
	switch {
	case (had == 0) != (has == 0):
		return had == 0
	case had == 0:
		return e.owner == nil || newer(by, e.owner)
	}
	return cmp.Or(cmp.Compare(had, has), cmp.Compare(e.Value, x.Value), bytes.Compare(e.Labels, x.Labels)) < 0
}

// newer tells whether a is the younger one, whichever of them joined first.
func newer(a, b *Incarnation) bool {
	return cmp.Or(a.born.Compare(b.born), cmp.Compare(a.Key, b.Key), cmp.Compare(a.seq, b.seq)) > 0
}

// disown says that the incarnation is gone.
func (f *Fold) disown(inc *Incarnation) {
	for _, e := range f.exemplars {
		if e != nil && e.owner == inc {
			e.owner = nil
		}
	}
}

func (f *Fold) dropExemplar(slot Slot) {
	if int(slot) < len(f.exemplars) {
		f.exemplars[slot] = nil
	}
}

// exemplarOf gives the slot's exemplar, to be shown; nil where there is none.
func (f *Fold) exemplarOf(slot Slot) *exposition.Exemplar {
	if int(slot) >= len(f.exemplars) || f.exemplars[slot] == nil {
		return nil
	}
	e := f.exemplars[slot]
	if e.shown == nil {
		e.shown = e.Copy()
	}
	return e.shown
}
