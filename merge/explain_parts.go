package merge

import (
	"math"
	"time"

	"github.com/fedscrape/fedscrape/exposition"
)

// explaining is the state of one Explain.
type explaining struct {
	*Fold
	now   time.Time
	asked []explainedLine
}

func (x *explaining) explain() {
	for i := range x.asked {
		x.begin(&x.asked[i])
	}
	for _, inc := range x.incarnations {
		x.scatter(inc)
		offset := x.offsets(inc)
		for i := range x.asked {
			x.part(&x.asked[i], inc, offset)
		}
	}
	x.raiseCounts()
}

// begin fills in what no single worker says.
func (x *explaining) begin(l *explainedLine) {
	switch x.class[l.slot] {
	case classSum, classMixed, classLiveSum, classLiveMixed:
		v, left := x.total[l.slot], x.ledger[l.slot]
		if l.bucket >= 0 {
			left = sum{}
			for _, b := range l.series.buckets[:l.bucket+1] {
				v.addSum(x.betweenNow[b.slot])
				left.addSum(x.ledger[b.slot])
			}
		}
		l.out.Value, l.out.Ledger = v.value(), left.value()
		if held := x.heldBack(l.slot, l.out.Value); held > 0 {
			l.out.Value, l.out.Ledger = x.shown[l.slot], l.out.Ledger+held
		}
	case classInfo:
		l.out.Value = 1
	case classGauge:
		l.out.Ledger = x.leftOf(l.slot)
	default: // kept per worker
	}
	if l.only != nil {
		l.out.Ledger, l.out.Parts = 0, []ExplainedPart{{WorkerID: l.only.workerID, Last: l.only.value, State: stateOf(l.only.inc)}}
	}
}

// raiseCounts keeps buckets, and the count, from falling below a lower bucket, as the page does: a base that a reset hides could
// do that, or rounding. By how much is told as a part of the ledger.
func (x *explaining) raiseCounts() {
	floors := map[*series][]float64{}
	for i := range x.asked {
		l := &x.asked[i]
		if l.bucket < 0 {
			continue
		}
		if floors[l.series] == nil {
			floors[l.series] = x.floorsOf(l.series)
		}
		if by := floors[l.series][l.bucket] - l.out.Value; by > 0 {
			l.out.Value, l.out.Ledger = floors[l.series][l.bucket], l.out.Ledger+by
		}
	}
}

// floorsOf gives, for each bucket of a series, what the page shows there at least.
func (x *explaining) floorsOf(s *series) (floors []float64) {
	below, floor, all := sum{}, 0.0, x.holders[s.infSlot()] == 0
	for _, b := range s.buckets {
		if below.addSum(x.betweenNow[b.slot]); all || x.holders[b.slot] > 0 {
			t := x.total[b.slot]
			t.addSum(below)
			floor = math.Max(floor, t.value()+x.heldBack(b.slot, t.value()))
		}
		floors = append(floors, floor)
	}
	return floors
}

// heldBack is by how much rising would export more than v.
func (f *Fold) heldBack(slot Slot, v float64) float64 {
	shown := f.shown[slot]
	if v < shown && f.class[slot] != classLiveSum && f.class[slot] != classLiveMixed && shown-v < math.Abs(shown)*1e-9 {
		return shown - v
	}
	return 0
}

// leftOf is what folded workers left of a gauge, under modes that keep it.
func (x *explaining) leftOf(slot Slot) float64 {
	fam := x.lines[slot].variant.family
	mode, live := fam.mode.live()
	switch {
	case live:
	case mode == ModeSum:
		return x.ledger[slot].value()
	case mode == ModeMostRecent:
		return x.recent[slot].value
	case mode == ModeMin || mode == ModeMax || mode == modeForever:
		if e := x.extremes[slot]; e != nil {
			if low, high, ok := e.over(x.elapsed(x.now), fam.forever); ok && mode == ModeMax {
				return high
			} else if ok {
				return low
			}
		}
	}
	return 0
}

// offsets gives what an incarnation carries on, by the line where it counts.
func (x *explaining) offsets(inc *Incarnation) map[Slot]sum {
	out := make(map[Slot]sum, len(inc.offset.slots))
	for i, slot := range inc.offset.slots {
		s := out[x.target[slot]]
		s.addSum(inc.offset.at(i))
		out[x.target[slot]] = s
	}
	return out
}

// part adds what an incarnation, whose page is scattered, has to do with a line.
func (x *explaining) part(l *explainedLine, inc *Incarnation, offset map[Slot]sum) {
	if l.only != nil {
		return
	}
	last, has := x.lastOf(l, inc)
	carried := sum{}
	switch x.class[l.slot] {
	case classSum, classMixed:
		carried = carriedOn(l, offset)
	case classGauge:
		mode, live := l.series.variant.family.mode.live()
		has = has && (inc.present || !live && mode != ModeAll)
	default:
		has = has && inc.present
	}
	if has || !carried.isZero() {
		l.out.Parts = append(l.out.Parts, ExplainedPart{inc.WorkerID, carried.value(), last, stateOf(inc)})
	}
}

// lastOf gives the line's value in the scattered page, of a bucket that of its next lower bound.
func (x *explaining) lastOf(l *explainedLine, inc *Incarnation) (last float64, has bool) {
	said := func(slot Slot) bool { return x.previousMark[slot] == x.generation }
	if l.bucket >= 0 {
		for _, b := range l.series.buckets[:l.bucket+1] {
			if said(b.slot) {
				last = x.previous[b.slot]
			}
		}
		return last, said(l.series.infSlot())
	}
	if !said(l.slot) {
		return 0, false
	}
	if last = x.previous[l.slot]; !inc.present && x.lines[l.slot].part == exposition.PartSum {
		last = inc.lastSum(l.slot, last)
	}
	return last, true
}

// carriedOn is an incarnation's offset of a line, of a bucket up to its bound.
func carriedOn(l *explainedLine, offset map[Slot]sum) (out sum) {
	if l.bucket < 0 {
		return offset[l.slot]
	}
	for _, b := range l.series.buckets[:l.bucket+1] {
		out.addSum(offset[b.slot])
	}
	return out
}

// stateOf tells how an incarnation counts; nil is folded.
func stateOf(inc *Incarnation) string {
	switch {
	case inc == nil || !inc.present:
		return "departed"
	case inc.up:
		return "up"
	}
	return "failed"
}
