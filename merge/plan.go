package merge

import (
	"math"

	"github.com/fedscrape/fedscrape/exposition"
)

// step is how one number of a family is found, or what has to be done before it.
type step struct {
	do   action
	mode Mode // of a gauge
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
	showGauge                // what the workers' values make
	passGauge                // nobody has a value
	showInfo
	passInfo
)

// makePlan notes how the numbers of a family are found that was just rendered, so that pages of the same shape need not
// look at its series. What is shown of gauges depends on more than the shape: their plan holds as long as the same ones have
// values. Where each worker's value is shown, there is none.
func (f *Fold) makePlan(fam *family) {
	fam.plan, fam.plannedFor = fam.plan[:0], 0
	for _, s := range fam.variants[fam.winner].ordered() {
		if s.hidden {
			continue
		}
		var ok bool
		if fam.plan, ok = f.planSeries(fam.plan, s); !ok {
			return
		}
	}
	fam.plannedFor = f.shape
}

// planSeries is what renderSeries shows; false where that follows no plan.
func (f *Fold) planSeries(plan []step, s *series) ([]step, bool) {
	switch {
	case s.variant.typ == exposition.GaugeHistogram, len(s.quantiles) > 0 && f.opts.SummaryQuantiles == "all":
		return plan, false
	case multi(s.variant.typ):
		if f.shows(s) {
			plan = f.planStart(f.planParts(plan, s), len(plan), s)
		}
	case s.value == noSlot:
	case f.class[s.value] == classSum:
		if f.shows(s) {
			plan = f.planStart(append(plan, step{do: showLine, slot: s.value}), len(plan), s)
		}
	case f.class[s.value] == classInfo:
		do := passInfo
		if f.has[s.value] {
			do = showInfo
		}
		plan = append(plan, step{do: do, slot: s.value})
	case f.class[s.value] == classGauge:
		return f.planGauge(plan, s)
	}
	return plan, true
}

func (f *Fold) planGauge(plan []step, s *series) ([]step, bool) {
	mode, _ := s.variant.family.mode.live()
	if mode == ModeAll {
		return plan, false
	}
	do := passGauge
	if _, ok := f.gaugeValue(s.value, mode); ok {
		do = showGauge
	}
	return append(plan, step{do, mode, s.value}), true
}

// planStart adds the start time of a series that has steps from begin on.
func (f *Fold) planStart(plan []step, begin int, s *series) []step {
	if len(plan) > begin && f.startTime(s) != 0 {
		plan = append(plan, step{do: showStart, slot: s.created})
	}
	return plan
}

// planParts is what renderHistogram shows, in the order of exposition.Form.
func (f *Fold) planParts(plan []step, s *series) []step {
	if len(s.buckets) > 0 {
		plan = append(plan, step{do: startOver, slot: noSlot})
	}
	buckets := false
	for _, b := range s.buckets {
		if f.holders[b.slot] == 0 && f.holders[s.infSlot()] > 0 {
			plan = append(plan, step{do: passBucket, slot: b.slot})
			continue
		}
		plan, buckets = append(plan, step{do: showBucket, slot: b.slot}), true
	}
	if s.sum != noSlot && f.known[s.sum] {
		plan = append(plan, step{do: showLine, slot: s.sum})
	}
	switch {
	case buckets:
		plan = append(plan, step{do: showCount, slot: noSlot})
	case s.count != noSlot && f.known[s.count]:
		plan = append(plan, step{do: showLine, slot: s.count})
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
		case showGauge, passGauge:
			v, ok := f.gaugeValue(st.slot, st.mode)
			if ok != (st.do == showGauge) {
				return false
			}
			if ok {
				sheet.Number(v)
			}
		case showInfo, passInfo:
			has := f.has[st.slot]
			if has != (st.do == showInfo) {
				return false
			}
			if has {
				sheet.Number(1)
			}
		}
	}
	return true
}
