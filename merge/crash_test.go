package merge

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/fedscrape/fedscrape/exposition"
)

// crashing is a random life in which not every page is shown, and the process may die between any two steps.
type crashing struct {
	*schedule
	disk    disk
	seen    []map[string]float64 // what each page that is kept showed
	appends int                  // records that became durable since the last page
	counts  map[string]int

	// before is what was shown before earlier crashes: a record of then counts again where the pages after it are lost.
	before map[string]float64
	since  int // pages since the last crash
}

func (c *crashing) values() map[string]float64 {
	out := map[string]float64{}
	for _, fam := range c.f.Families(c.now) {
		for _, s := range fam.Series {
			if fam.Type == exposition.Counter {
				out["c "+s.Labels[0].Value] = s.Value
			}
			for _, b := range s.Buckets {
				out[fmt.Sprint("h ", s.Labels[0].Value, " ", b.UpperBound)] = b.Count
			}
		}
	}
	return out
}

// save is one of the ways in which it can end: in order, with an error, with an error although it is durable.
func (c *crashing) save(t *rapid.T) {
	if !c.f.Unsaved() {
		return
	}
	s := c.f.Save(c.now)
	how := rapid.SampledFrom([]string{"saved", "saved", "saved", "failed", "unsure"}).Draw(t, "append")
	if c.counts[how]++; how == "failed" {
		var said Said
		c.f.Say(&said) // a page of the time before is dropped, and another one begun
		said.Release()
		return
	}
	c.disk.append(s)
	if c.appends++; how == "saved" {
		c.f.Saved(s)
	}
}

func (c *crashing) show(t *rapid.T) {
	c.check(t)
	c.save(t)
	c.disk.page(c.f)
	c.appends = 0
	if c.since++; c.since >= diskPages {
		c.before = nil
	}
	if c.seen = append(c.seen, maps.Clone(c.shown)); len(c.seen) > len(c.disk.pages) {
		c.seen = c.seen[1:]
	}
}

// crash lets the process die, and another one start.
func (c *crashing) crash(t *rapid.T) {
	before := maps.Clone(c.shown)
	for key, v := range before {
		before[key] = max(v, c.before[key])
	}
	if rapid.Bool().Draw(t, "after append") {
		c.save(t)
	}
	if n := len(c.disk.pages); n > 1 && rapid.IntRange(0, 3).Draw(t, "power cut") == 0 {
		c.disk.pages, c.seen = c.disk.pages[:n-1], c.seen[:n-1]
		c.appends = math.MaxInt
		c.counts["power cuts"]++
	}
	f, err := Restore(c.f.opts, c.disk.records, c.disk.newest(), c.now.Add(time.Duration(rapid.IntRange(0, 99).Draw(t, "down"))*time.Hour))
	if err == nil {
		f, err = Restore(c.f.opts, c.disk.records, c.disk.newest(), c.now)
	}
	if err != nil {
		t.Fatalf("restore: %v", err)
	}
	c.f, f.fewFreed = f, 1
	c.compare(t, before)
	c.before, c.since = before, 0
	c.rebase()
	c.shown = nil
	c.check(t)
	c.counts["crashes"]++
}

// compare holds what is restored against the last page: no less than it, no more than what was counted.
func (c *crashing) compare(t *rapid.T, before map[string]float64) {
	got, last := c.values(), map[string]float64{}
	if len(c.seen) > 0 {
		last = c.seen[len(c.seen)-1]
	}
	if c.appends == 0 && !maps.Equal(got, last) {
		t.Fatalf("restored %v, shown was %v", got, last)
	}
	for key, v := range last {
		if g, has := got[key]; (!has && key[0] == 'c') || g < v && has {
			t.Fatalf("restored %s is %v %v, shown was %v", key, g, has, v)
		}
	}
	for key, v := range got {
		if b, has := before[key]; has && v > b {
			t.Fatalf("restored %s is %v, counted were %v", key, v, b)
		}
	}
}

// rebase tells the naive fold and the processes what of them is left.
func (c *crashing) rebase() {
	f := c.f
	f.decideLayout()
	c.model = naive{counters: map[string]float64{}, buckets: map[string]map[float64]float64{}}
	for slot, v := range f.ledger {
		c.left(Slot(slot), v.value())
	}
	for _, inc := range f.incarnations {
		f.contributions(inc.slots, inc.last, inc.lastSum, c.left)
		for i, slot := range inc.offset.slots {
			c.left(slot, inc.offset.at(i).value())
		}
	}
	for _, p := range c.all {
		i := slices.IndexFunc(f.incarnations, func(inc *Incarnation) bool { return inc.Key == p.inc.Key })
		if i < 0 { // folded, or died with the federator before any page had it
			p.present, p.certain = false, true
			continue
		}
		c.remember(p, f.incarnations[i])
	}
}

func (c *crashing) left(slot Slot, v float64) {
	l := &c.f.lines[slot]
	if l.series == c.f.nobody {
		return
	}
	key := l.series.labels[0].Value
	switch l.part {
	case exposition.PartValue:
		c.model.counters[key] += v
	case exposition.PartBucket:
		if c.model.buckets[key] == nil {
			c.model.buckets[key] = map[float64]float64{}
		}
		c.model.buckets[key][l.bound] += v
	default:
	}
}

// remember makes a process's last page what the restored fold says it was.
func (c *crashing) remember(p *process, inc *Incarnation) {
	p.inc, p.present, p.certain, p.silent = inc, inc.Present(), false, !inc.committed
	p.said, p.saidHist = map[string]float64{}, map[string][]float64{}
	for i, slot := range inc.slots {
		l := &c.f.lines[slot]
		switch key := l.series.labels[0].Value; l.part {
		case exposition.PartValue:
			p.said[key] = inc.last[i]
		case exposition.PartBucket:
			if p.saidHist[key] == nil {
				p.saidHist[key] = make([]float64, len(p.bounds)+1)
			}
			at, _ := slices.BinarySearch(p.bounds, l.bound)
			p.saidHist[key][at] = inc.last[i]
		default:
		}
	}
}

func (c *crashing) actions() map[string]func(*rapid.T) {
	actions := c.schedule.actions()
	actions[""] = func(t *rapid.T) {
		if rapid.IntRange(0, 2).Draw(t, "shown") == 0 {
			c.show(t)
		} else {
			c.check(t)
		}
	}
	actions["crash"] = c.crash
	actions["save"] = c.save
	actions["compact"] = func(*rapid.T) { c.f.Compact(c.now) }
	return actions
}

// TestCrashLaws lets the process die at any moment of the random lives of TestMergeLaws: after a departure or a
// return that is not saved, between the record and its page, after a record that nobody could say was durable, on a
// disk that is full; or the power goes, and the last page with it.
func TestCrashLaws(t *testing.T) {
	counts, schedules := map[string]int{}, 0
	many(t, 20_000)
	rapid.Check(t, func(t *rapid.T) {
		opts := NewOptions()
		opts.DepartedLimit, opts.SeriesRetention = rapid.IntRange(0, 4).Draw(t, "limit"), 1000*time.Hour
		c := &crashing{schedule: &schedule{f: New(opts), now: t0}, counts: counts}
		c.f.fewFreed = 1
		t.Repeat(c.actions())
		schedules++
	})
	t.Logf("%d schedules: %v", schedules, counts)
	for _, what := range []string{"crashes", "power cuts", "saved", "failed", "unsure"} {
		if !t.Failed() && counts[what] < schedules/20 {
			t.Errorf("%d %s in %d schedules are too few", counts[what], what, schedules)
		}
	}
}

// TestCrashDoesNotLowerByRounding lets workers depart whose values are no whole numbers, and dies before a page shows
// it: the same parts add up in another order.
func TestCrashDoesNotLowerByRounding(t *testing.T) {
	many(t, 5_000)
	rapid.Check(t, func(t *rapid.T) {
		f, d := New(NewOptions()), &disk{}
		var incs []*Incarnation
		for i := range rapid.IntRange(1, 12).Draw(t, "workers") {
			inc := add(f, strconv.Itoa(i))
			for range rapid.IntRange(1, 3).Draw(t, "pages") { // each fall goes to the offset
				v := rapid.Float64Range(0, 1e9).Draw(t, "v")
				page(f, inc, t0, x1(v), sample{id: id(exposition.Summary, "s", exposition.PartSum, 0), v: v}, sample{id: id(exposition.Summary, "s", exposition.PartCount, 0), v: 1})
			}
			incs = append(incs, inc)
		}
		shown := flatten(f.Families(t0))
		d.save(f, t0, false)
		d.page(f)
		for _, inc := range incs {
			if how := rapid.IntRange(0, 2).Draw(t, "departs"); how > 0 {
				f.Depart(inc, t0, how == 2)
			}
		}
		d.append(f.Save(t0))
		for name, v := range flatten(restored(t, NewOptions(), d, t0).Families(t0)) {
			if v < shown[name] {
				t.Fatalf("%s is %v, shown was %v", name, v, shown[name])
			}
		}
	})
}
