package merge

import (
	"math"

	"github.com/fedscrape/fedscrape/exposition"
)

// step is how one number of a family is found, or what has to be done before it.
type step struct {
	do   action
	slot Slot
}

type action uint8

const (
	showLine   action = iota // what the line adds up to
	startOver                // a histogram begins
	showBucket               // the line with all that is below its bound
	passBucket               // a bound that is not shown is below those that are
	showCount                // the highest bucket again
	showStart                // of the line's series
)

// makePlan notes how the numbers of a family are found that was just rendered, so that pages of the same shape need not
// look at its series. Only cumulative families have a plan: what is shown of gauges depends on more than the shape.
func (f *Fold) makePlan(fam *family) {
	v := fam.variants[fam.winner]
	if fam.plannedFor = 0; !v.cumulative() {
		return
	}
	fam.plan = fam.plan[:0]
	for _, s := range v.ordered() {
		switch {
		case s.hidden:
		case len(s.quantiles) > 0 && f.opts.SummaryQuantiles == "all":
			return // each worker's are shown
		case f.shows(s):
			fam.plan = f.planSeries(fam.plan, s)
		}
	}
	fam.plannedFor = f.shape
}

func (f *Fold) planSeries(plan []step, s *series) []step {
	n := len(plan)
	if multi(s.variant.typ) {
		plan = f.planParts(plan, s)
	} else if f.class[s.value] == classSum {
		plan = append(plan, step{showLine, s.value})
	}
	if len(plan) > n && f.startTime(s) != 0 {
		plan = append(plan, step{showStart, s.created})
	}
	return plan
}

// planParts is what renderHistogram shows, in the order of exposition.Form.
func (f *Fold) planParts(plan []step, s *series) []step {
	if len(s.buckets) > 0 {
		plan = append(plan, step{startOver, noSlot})
	}
	buckets := false
	for _, b := range s.buckets {
		if f.holders[b.slot] == 0 && f.holders[s.infSlot()] > 0 {
			plan = append(plan, step{passBucket, b.slot})
			continue
		}
		plan, buckets = append(plan, step{showBucket, b.slot}), true
	}
	if s.sum != noSlot && f.known[s.sum] {
		plan = append(plan, step{showLine, s.sum})
	}
	switch {
	case buckets:
		plan = append(plan, step{showCount, noSlot})
	case s.count != noSlot && f.known[s.count]:
		plan = append(plan, step{showLine, s.count})
	}
	return plan
}

// follow adds a family's numbers to the page; false where it cannot be followed to its end.
func (f *Fold) follow(plan []step, sheet *exposition.Sheet) bool {
	below, floor := sum{}, 0.0
	for _, st := range plan {
		switch st.do {
		case showLine:
			sheet.Number(f.rising(st.slot, f.total[st.slot].value()))
			sheet.Exemplar(f.exemplarOf(st.slot))
		case startOver:
			below, floor = sum{}, 0
		case passBucket:
			below.addSum(f.betweenNow[st.slot])
		case showBucket:
			below.addSum(f.betweenNow[st.slot])
			t := f.total[st.slot]
			t.addSum(below)
			floor = math.Max(floor, f.rising(st.slot, t.value()))
			sheet.Number(floor)
			sheet.Exemplar(f.exemplarOf(st.slot))
		case showCount:
			sheet.Number(floor)
		case showStart:
			start := f.startTime(f.lines[st.slot].series)
			if start == 0 {
				return false // a worker came without one
			}
			sheet.Number(start)
		}
	}
	return true
}
