package merge

import (
	"math"
	"slices"
	"sync"
	"time"

	"github.com/fedscrape/fedscrape/exposition"
)

// Families gives the merged page as Render does, its families put together.
func (f *Fold) Families(now time.Time) []exposition.Family {
	filled := f.Render(now)
	families := make([]exposition.Family, len(filled))
	for i := range filled {
		families[i] = filled[i].Family()
	}
	return families
}

// Render gives the merged page: families by name, series by labels, buckets by bound. What present workers' pages say is added
// up anew each time: it does not drift.
func (f *Fold) Render(now time.Time) []exposition.Filled {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.settle(now)
	return f.addUp(now)
}

// manyLines is from how many on adding up takes longer than to wake another core.
const manyLines = 16 << 10

// RenderAndSay is Render and Say. Neither changes what the other reads: where there are many lines, both are done at once.
// It calls ready when all is said, which may be before the page is made: the fold is locked then.
func (f *Fold) RenderAndSay(now time.Time, said *Said, ready func()) []exposition.Filled {
	said.again()
	f.mu.Lock()
	defer f.mu.Unlock()
	f.settle(now)
	if f.unsaidLines(said) < manyLines {
		f.say(said)
		ready()
		return f.addUp(now)
	}
	var group sync.WaitGroup
	group.Go(func() {
		f.say(said)
		ready()
	})
	page := f.addUp(now)
	group.Wait()
	return page
}

// unsaidLines is how many lines are to be said yet.
func (f *Fold) unsaidLines(said *Said) (n int) {
	for _, inc := range f.incarnations {
		if inc.present && !said.isAhead(inc) {
			n += len(inc.slots)
		}
	}
	return n
}

// settle decides, as of now, what there is to be shown.
func (f *Fold) settle(now time.Time) {
	f.see(now)
	f.infoAgain(now)
	f.decideLayout()
	f.countHolders()
	f.expire(now)
}

// addUp makes the page of what is settled.
func (f *Fold) addUp(now time.Time) []exposition.Filled {
	f.accumulate(now)
	sheet := exposition.NewSheet(len(f.families), f.numbers)
	for _, fam := range f.inOrder() {
		f.show(fam, sheet)
	}
	f.numbers = sheet.Numbers()
	return sheet.Families()
}

// show adds a family to the page.
func (f *Fold) show(fam *family, sheet *exposition.Sheet) {
	if fam.plannedFor == f.shape && f.follow(fam.plan, sheet) {
		sheet.End(fam.form)
		return
	}
	sheet.Undo()
	if out := f.render(fam); len(out.Series) > 0 {
		fam.form = sheet.Family(fam.form, &out)
		f.makePlan(fam)
	}
}

func (f *Fold) inOrder() []*family {
	if !f.ordered {
		f.order = f.order[:0]
		for _, fam := range f.families {
			f.order = append(f.order, fam)
		}
		slices.SortFunc(f.order, func(a, b *family) int { return cmpString(a.name, b.name) })
		f.ordered = true
	}
	return f.order
}

// accumulate adds up every line of every incarnation that counts.
func (f *Fold) accumulate(now time.Time) {
	f.beginTotal()
	f.betweenNow = append(f.betweenNow[:0], f.between...)
	f.resetStarts()
	f.has = zeroed(f.has, len(f.lines))
	f.gauges.clear(len(f.lines))
	for _, inc := range f.incarnations {
		if inc.present {
			f.addPresent(inc)
		} else {
			f.addDeparted(inc, now)
		}
	}
	f.addFolded(now)
}

// beginTotal gives what is added up already.
func (f *Fold) beginTotal() {
	if !f.arrivedHolds() {
		f.dropArrived()
		f.total = append(f.total[:0], f.kept...)
		return
	}
	f.arrived.made = true
	f.total = append(f.total[:0], f.arrived.sums...)
	for slot, v := range f.kept {
		if !v.isZero() {
			f.total[slot].addSum(v)
		}
	}
}

func (f *Fold) addPresent(inc *Incarnation) {
	if o := inc.order; o != nil {
		f.derive(o)
		f.generation++
		f.addRepeated(inc, o)
	} else {
		f.generation++
		for i := range inc.slots {
			f.addLine(inc, i)
		}
	}
	f.addMixed(inc)
}

// addLine adds one line of a present worker, by what it is.
func (f *Fold) addLine(inc *Incarnation, i int) {
	slot, v := f.target[inc.slots[i]], inc.last[i]
	switch f.class[slot] {
	case classSum:
		f.total[slot].add(v)
	case classLiveSum:
		if inc.up {
			f.total[slot].add(v)
			f.has[slot] = true
		}
	case classMixed, classLiveMixed:
		f.previous[slot], f.previousMark[slot] = v, f.generation
	case classGauge:
		f.addGauge(inc, inc.slots[i], slot, v)
	case classCreated:
		f.addStart(slot, v)
	case classInfo:
		f.has[slot] = f.has[slot] || inc.up && v == 1
	case classQuantile:
		if inc.up {
			g := f.gauge(slot)
			g.all = append(g.all, member{inc.WorkerID, inc, v})
		}
	case classSkip, classDropped:
	}
}

// addMixed counts a page's buckets at every bound of the union: where the page lacks one, with its next lower one.
func (f *Fold) addMixed(inc *Incarnation) {
	for _, s := range f.mixed {
		live := f.class[s.infSlot()] == classLiveMixed
		if f.previousMark[s.infSlot()] != f.generation || live && !inc.up {
			continue
		}
		below := 0.0
		for _, b := range s.buckets {
			if f.previousMark[b.slot] == f.generation {
				below = f.previous[b.slot]
			}
			f.total[b.slot].add(below)
			f.has[b.slot] = true
		}
	}
}

// render gives a family as it is shown, in memory that is used again.
func (f *Fold) render(fam *family) exposition.Family {
	out := exposition.Family{Name: fam.name, Type: fam.winner}
	v := fam.variants[fam.winner]
	if v == nil || fam.name == hintFamily {
		return out
	}
	if fam.metaShape != f.shape {
		fam.metaShape = f.shape
		fam.help, fam.unit = f.metaOf(fam.name)
	}
	out.Help, out.Unit = fam.help, fam.unit
	out.Series, f.buckets = f.rendered[:0], f.buckets[:0]
	for _, s := range v.ordered() {
		if !s.hidden {
			out.Series = f.renderSeries(out.Series, s)
		}
	}
	f.rendered = out.Series
	return out
}

func (f *Fold) renderSeries(dst []exposition.Series, s *series) []exposition.Series {
	switch {
	case s.variant.typ == exposition.GaugeHistogram:
		if len(s.buckets) > 0 && f.has[s.infSlot()] {
			dst = append(dst, f.renderHistogram(s))
		}
	case multi(s.variant.typ):
		dst = f.renderMulti(dst, s)
	case s.value == noSlot:
	case f.class[s.value] == classSum:
		if f.shows(s) {
			dst = append(dst, exposition.Series{
				Labels: s.labels, Value: f.rising(s.value, f.total[s.value].value()), Start: f.startTime(s),
				Exemplar: f.exemplarOf(s.value),
			})
		}
	case f.class[s.value] == classInfo:
		if f.has[s.value] {
			dst = append(dst, exposition.Series{Labels: s.labels, Value: 1})
		}
	case f.class[s.value] == classGauge:
		dst = f.renderGauge(dst, s)
	}
	return dst
}

// renderMulti gives a histogram or summary, and its quantiles where they are kept per worker.
func (f *Fold) renderMulti(dst []exposition.Series, s *series) []exposition.Series {
	if s.variant.typ == exposition.Summary {
		dst = f.renderQuantiles(dst, s)
	}
	if !f.shows(s) {
		return dst
	}
	out := f.renderHistogram(s)
	out.Start = f.startTime(s)
	if out.HasCount || out.HasSum || len(out.Buckets) > 0 {
		dst = append(dst, out)
	}
	return dst
}

// renderHistogram gives buckets, sum and count as they are; of a summary there are no buckets.
func (f *Fold) renderHistogram(s *series) exposition.Series {
	out := exposition.Series{Labels: s.labels}
	f.renderBuckets(&out, s)
	if s.count != noSlot && f.known[s.count] {
		out.HasCount, out.Count = true, f.rising(s.count, f.total[s.count].value())
	}
	if len(out.Buckets) > 0 {
		out.HasCount, out.Count = true, out.Buckets[len(out.Buckets)-1].Count
	}
	if s.sum != noSlot && f.known[s.sum] {
		out.HasSum, out.Sum = true, f.rising(s.sum, f.total[s.sum].value())
	}
	return out
}

// renderBuckets gives the bounds that somebody has; those that only folded sums have where nobody has any.
func (f *Fold) renderBuckets(out *exposition.Series, s *series) {
	if len(s.buckets) == 0 {
		return
	}
	all := f.holders[s.infSlot()] == 0
	below, floor := sum{}, 0.0
	begin := len(f.buckets)
	for _, b := range s.buckets {
		below.addSum(f.betweenNow[b.slot])
		if !all && f.holders[b.slot] == 0 {
			continue
		}
		t := f.total[b.slot]
		t.addSum(below)
		floor = math.Max(floor, f.rising(b.slot, t.value()))
		f.buckets = append(f.buckets, exposition.Bucket{UpperBound: b.bound, Count: floor, Exemplar: f.exemplarOf(b.slot)})
	}
	out.Buckets = f.buckets[begin:len(f.buckets):len(f.buckets)]
}

// rising gives what to export of a cumulative line: never less than before by rounding alone.
func (f *Fold) rising(slot Slot, v float64) float64 {
	if shown := f.shown[slot]; v < shown && f.class[slot] != classLiveSum && f.class[slot] != classLiveMixed &&
		shown-v < math.Abs(shown)*1e-9 {
		return shown
	}
	f.shown[slot] = v
	return v
}

// shows tells whether a cumulative series is there: somebody has it, or had it not longer than series_retention ago.
func (f *Fold) shows(s *series) bool {
	main := s.main()
	return main != noSlot && f.known[main]
}

// metaOf gives HELP and UNIT of the newest worker that says something.
func (f *Fold) metaOf(name string) (help, unit string) {
	for _, inc := range slices.Backward(f.incarnations) {
		m := inc.metas[name]
		if m == nil {
			continue
		}
		if help == "" {
			help = m.help
		}
		if unit == "" {
			unit = m.unit
		}
	}
	if m := f.metas[name]; m != nil {
		if help == "" {
			help = m.help
		}
		if unit == "" {
			unit = m.unit
		}
	}
	return help, unit
}

func cmpString(a, b string) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// renderQuantiles gives a summary's quantiles per worker, with the worker label.
func (f *Fold) renderQuantiles(dst []exposition.Series, s *series) []exposition.Series {
	workers := map[*Incarnation]int{}
	for _, q := range s.quantiles {
		if g := f.gauges.of(q.slot); g != nil {
			for _, m := range g.all {
				at, ok := workers[m.inc]
				if !ok {
					at = len(dst)
					workers[m.inc] = at
					l := f.workerLabels(s, q.slot, m)
					dst = append(dst, exposition.Series{Labels: l})
				}
				dst[at].Quantiles = append(dst[at].Quantiles, exposition.Quantile{Quantile: q.bound, Value: m.value})
			}
		}
	}
	return dst
}
