package merge

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/fedscrape/fedscrape/exposition"
)

// twins are two folds that live the same life. One of them dies and is restored again and again: nobody may see it.
type twins struct {
	opts        Options
	whole       *Fold
	mortal      *Fold
	disk        disk
	now         time.Time
	uids        []uint64 // of whole's incarnations, by number
	mortalUIDs  []uint64
	shown       string
	crashes     int
	compactions int
}

func newTwins(t *rapid.T) *twins {
	w := &twins{opts: lawOptions(), now: t0}
	w.opts.DepartedLimit = rapid.IntRange(0, 4).Draw(t, "limit")
	w.opts.SummaryQuantiles = rapid.SampledFrom([]string{"drop", "all"}).Draw(t, "quantiles")
	w.opts.SeriesLimit = rapid.SampledFrom([]int{1_000_000, 60}).Draw(t, "series")
	w.whole, w.mortal = New(w.opts), New(w.opts)
	w.each(func(f *Fold) { f.fewFreed = 1 })
	return w
}

func byUID(f *Fold, uid uint64) *Incarnation {
	for _, inc := range f.Incarnations() {
		if inc.UID() == uid {
			return inc
		}
	}
	return nil
}

// both draws an incarnation that both have, and does the same with each. It is the same that both must have.
func (w *twins) both(t *rapid.T, fits func(*Incarnation) bool, do func(f *Fold, inc *Incarnation)) {
	var numbers []int
	for i, uid := range w.uids {
		a, b := byUID(w.whole, uid), byUID(w.mortal, w.mortalUIDs[i])
		if (a == nil) != (b == nil) || a != nil && a.Present() != b.Present() {
			t.Fatalf("incarnation %d is %v, restored %v", i, a, b)
		}
		if a != nil && fits(a) {
			numbers = append(numbers, i)
		}
	}
	if len(numbers) == 0 {
		t.Skip("nobody fits")
	}
	n := rapid.SampledFrom(numbers).Draw(t, "incarnation")
	do(w.whole, byUID(w.whole, w.uids[n]))
	do(w.mortal, byUID(w.mortal, w.mortalUIDs[n]))
}

func (w *twins) each(do func(f *Fold)) {
	do(w.whole)
	do(w.mortal)
}

// show compares, and keeps a page.
func (w *twins) show(t *rapid.T) {
	w.shown = show(w.whole, w.now)
	if got := show(w.mortal, w.now); got != w.shown {
		t.Fatalf("after %d crashes:\n%s\nwant\n%s", w.crashes, got, w.shown)
	}
	if a, b := w.whole.Series(), w.mortal.Series(); a != b {
		t.Fatalf("%d series, want %d: %v, want %v", b, a, living(w.mortal), living(w.whole))
	}
	w.disk.save(w.mortal, w.now, rapid.IntRange(0, 4).Draw(t, "full") == 0)
	w.disk.page(w.mortal)
	w.whole.Paged()
}

// living names the series that count.
func living(f *Fold) (names []string) {
	for _, fam := range f.inOrder() {
		for typ, v := range fam.variants {
			for _, s := range v.ordered() {
				if s.pending || f.lives(s) {
					names = append(names, fmt.Sprint(fam.name, typ, s.labels, s.pending))
				}
			}
		}
	}
	slices.Sort(names)
	return names
}

func (w *twins) crash(t *rapid.T) {
	w.show(t)
	later := w.now.Add(time.Duration(rapid.IntRange(0, 100).Draw(t, "hours down")) * time.Hour)
	f, err := Restore(w.opts, w.disk.records, w.disk.newest(), later)
	if err != nil {
		t.Fatalf("restore: %v", err)
	}
	if got := show(f, later); got != w.shown {
		t.Fatalf("restored:\n%s\nwas shown:\n%s", got, w.shown)
	}
	// Time stood still meanwhile, and the test has only one clock.
	if f, err = Restore(w.opts, w.disk.records, w.disk.newest(), w.now); err != nil {
		t.Fatalf("restore: %v", err)
	}
	f.fewFreed = 1
	w.mortal = f
	w.crashes++
}

// twinPage draws a page with all that there is, and values that follow nothing.
func twinPage(t *rapid.T) []sample {
	out := lawPage(t, lawBounds)
	add := func(typ exposition.Type, name string, part exposition.Part, v float64, labels ...string) {
		if rapid.IntRange(0, 2).Draw(t, name) > 0 {
			out = append(out, sample{id: id(typ, name, part, 0, labels...), v: v})
		}
	}
	v := func() float64 {
		return rapid.SampledFrom([]float64{0, 0.1, 1, 1, 2, 7, 1e9, math.NaN(), math.Inf(1)}).Draw(t, "v")
	}
	typ := rapid.SampledFrom([]exposition.Type{exposition.Unknown, exposition.Counter, exposition.Gauge, exposition.Summary}).Draw(t, "type")
	add(typ, "t", exposition.PartValue, v())
	add(exposition.Summary, "t", exposition.PartSum, v())
	add(exposition.Summary, "t", exposition.PartCount, v())
	add(exposition.Unknown, "s_sum", exposition.PartValue, v(), "k", "a")
	add(exposition.Unknown, "s_count", exposition.PartValue, v(), "k", "a")
	add(exposition.Unknown, "c_total", exposition.PartValue, v(), "k", "c")
	add(exposition.Gauge, "c_created", exposition.PartValue, v(), "k", "b")
	add(exposition.Gauge, "build_info", exposition.PartValue, v())
	add(exposition.Gauge, "hinted", exposition.PartValue, v())
	add(exposition.Gauge, "process_start_time_seconds", exposition.PartValue, v())
	for _, m := range []string{"sum", "max", "mostrecent"} {
		add(exposition.Gauge, hintFamily, exposition.PartValue, float64(rapid.IntRange(0, 1).Draw(t, "hint")), "metric", "hinted", "mode", m)
	}
	q := sample{id: id(exposition.Summary, "s", exposition.PartQuantile, 0.5, "k", "a"), v: v()}
	return append(out, q)
}

func (w *twins) actions() map[string]func(*rapid.T) {
	anyone := func(*Incarnation) bool { return true }
	isPresent := func(inc *Incarnation) bool { return inc.Present() }
	return map[string]func(*rapid.T){
		"": w.show,
		"join": func(t *rapid.T) {
			n := len(w.uids)
			spec := Spec{Key: strconv.Itoa(n), WorkerID: strconv.Itoa(rapid.IntRange(0, 5).Draw(t, "worker")), Born: w.now, Base: rapid.IntRange(0, 4).Draw(t, "base") == 0}
			w.uids = append(w.uids, w.whole.Add(spec).UID())
			w.mortalUIDs = append(w.mortalUIDs, w.mortal.Add(spec).UID())
		},
		"page":  func(t *rapid.T) { w.page(t) },
		"page2": func(t *rapid.T) { w.page(t) },
		"page3": func(t *rapid.T) { w.page(t) },
		"down": func(t *rapid.T) {
			w.both(t, isPresent, func(f *Fold, inc *Incarnation) { f.SetUp(inc, false) })
		},
		"depart": func(t *rapid.T) {
			certain := rapid.Bool().Draw(t, "certain")
			w.both(t, isPresent, func(f *Fold, inc *Incarnation) { f.Depart(inc, w.now, certain) })
		},
		"return": func(t *rapid.T) {
			w.both(t, func(inc *Incarnation) bool { return !inc.Present() }, func(f *Fold, inc *Incarnation) { f.Return(inc) })
		},
		"rename": func(t *rapid.T) {
			id := strconv.Itoa(rapid.IntRange(0, 5).Draw(t, "worker"))
			w.both(t, anyone, func(f *Fold, inc *Incarnation) { f.Rename(inc, id) })
		},
		"remove": func(t *rapid.T) {
			if rapid.IntRange(0, 4).Draw(t, "really") == 0 {
				w.both(t, anyone, func(f *Fold, inc *Incarnation) { f.Remove(inc) })
			}
		},
		"forget": func(t *rapid.T) {
			if rapid.IntRange(0, 9).Draw(t, "really") == 0 {
				w.each(func(f *Fold) { f.Forget(w.now) })
			}
		},
		"time": func(t *rapid.T) {
			w.now = w.now.Add(time.Duration(rapid.SampledFrom([]int{1, 4, 30, 90, 1500}).Draw(t, "minutes")) * time.Minute)
			w.each(func(f *Fold) { f.FoldExpired(w.now) })
		},
		"compact": func(*rapid.T) {
			if w.whole.Compact(w.now) {
				w.compactions++
			}
			w.mortal.Compact(w.now)
		},
		"crash": w.crash,
	}
}

func (w *twins) page(t *rapid.T) {
	p := twinPage(t)
	w.both(t, func(inc *Incarnation) bool { return inc.Present() }, func(f *Fold, inc *Incarnation) { page(f, inc, w.now, p...) })
}

// TestRestoreIsInvisible lets one of two folds die at random moments of a random life.
func TestRestoreIsInvisible(t *testing.T) {
	crashes, compactions, schedules := 0, 0, 0
	many(t, 10_000)
	rapid.Check(t, func(t *rapid.T) {
		w := newTwins(t)
		t.Repeat(w.actions())
		crashes += w.crashes
		compactions += w.compactions
		schedules++
	})
	t.Logf("%d schedules, %d crashes, %d compactions", schedules, crashes, compactions)
	if !t.Failed() && (crashes < schedules/4 || compactions < schedules/100) {
		t.Errorf("these are too few")
	}
}
