package merge

import (
	"slices"
	"strings"
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

// manyNames is the same, for putting together the names of new lines.
const manyNames = 2 << 10

// RenderAndSay is Render and Say. Neither changes what the other reads: where there are many lines, both are done at once.
// It calls ready when all is said, which may be before the page is made: the fold is locked then.
func (f *Fold) RenderAndSay(now time.Time, said *Said, ready func()) []exposition.Filled {
	said.again()
	f.mu.Lock()
	defer f.mu.Unlock()
	f.settle(now)
	say := func() {
		f.say(said)
		ready()
	}
	var group sync.WaitGroup
	defer group.Wait()
	if f.unsaidLines(said) < manyLines {
		say()
	} else {
		group.Go(say)
	}
	if f.tail == nil && len(f.unsavedLines) >= manyNames {
		group.Go(func() { f.tailBytes() }) // for the page's head, or the next Save
	}
	return f.addUp(now)
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
		slices.SortFunc(f.order, func(a, b *family) int { return strings.Compare(a.name, b.name) })
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
