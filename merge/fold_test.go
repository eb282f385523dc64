package merge

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fedscrape/fedscrape/exposition"
)

var t0 = time.Unix(1_800_000_000, 0)

// id names a line in tests: `x_bucket{a="b"}` style is not needed, labels come in pairs.
func id(typ exposition.Type, family string, part exposition.Part, bound float64, labels ...string) exposition.SeriesID {
	out := exposition.SeriesID{Family: family, Type: typ, Part: part, Bound: bound}
	for i := 0; i < len(labels); i += 2 {
		out.Labels = append(out.Labels, exposition.Label{Name: labels[i], Value: labels[i+1]})
	}
	return out
}

func counter(name string, labels ...string) exposition.SeriesID {
	return id(exposition.Counter, name, exposition.PartValue, 0, labels...)
}

func gaugeID(name string, labels ...string) exposition.SeriesID {
	return id(exposition.Gauge, name, exposition.PartValue, 0, labels...)
}

// sample is one line of a page in tests.
type sample struct {
	id exposition.SeriesID
	v  float64
	ts int64
}

// page commits a page and says that the worker is up.
func page(f *Fold, inc *Incarnation, now time.Time, samples ...sample) Report {
	st := stage(inc, samples...)
	f.SetUp(inc, true)
	return f.Commit(st, now)
}

// stage stages a page as a reader does: where its lines are those of the last page, only their values.
func stage(inc *Incarnation, samples ...sample) *Stage {
	st := inc.Stage()
	slots := make([]Slot, len(samples))
	for i, s := range samples {
		slots[i] = st.Slot(s.id)
	}
	lines := st.Expected()
	if lines == nil || !slices.Equal(slots, st.expected.raw) {
		st.Diverge(nil)
		for i, s := range samples {
			st.Sample(slots[i], s.v, s.ts, s.ts != 0)
		}
		st.Read(new(exposition.Lines))
		return st
	}
	values := st.Room(len(samples))
	for i, s := range samples {
		values[i] = s.v
		if s.ts != 0 {
			st.Stamp(slots[i], s.ts)
		}
	}
	st.Repeat(len(samples))
	st.Read(lines)
	return st
}

// hist is a histogram as lines: bounds and counts in turn, then sum; the count is that of +Inf.
func hist(name string, sum float64, bc ...float64) []sample {
	var out []sample
	for i := 0; i < len(bc); i += 2 {
		out = append(out, sample{id: id(exposition.Histogram, name, exposition.PartBucket, bc[i]), v: bc[i+1]})
	}
	out = append(out, sample{id: id(exposition.Histogram, name, exposition.PartSum, 0), v: sum})
	return append(out, sample{id: id(exposition.Histogram, name, exposition.PartCount, 0), v: bc[len(bc)-1]})
}

// show prints what is merged, a line a series.
func show(f *Fold, now time.Time) string {
	var b strings.Builder
	for _, fam := range f.Families(now) {
		for _, s := range fam.Series {
			b.WriteString(fam.Name)
			for _, l := range s.Labels {
				fmt.Fprintf(&b, " %s=%s", l.Name, l.Value)
			}
			switch {
			case s.HasCount || s.HasSum:
				for _, bk := range s.Buckets {
					fmt.Fprintf(&b, " %v:%v", bk.UpperBound, bk.Count)
				}
				fmt.Fprintf(&b, " sum:%v count:%v", s.Sum, s.Count)
			default:
				fmt.Fprintf(&b, " %v", s.Value)
			}
			if s.Start != 0 {
				fmt.Fprintf(&b, " @%v", s.Start)
			}
			b.WriteString("\n")
		}
	}
	return b.String()
}

func wantShow(t *testing.T, f *Fold, now time.Time, want string) {
	t.Helper()
	if got := show(f, now); strings.TrimSpace(got) != strings.TrimSpace(want) {
		t.Fatalf("merged:\n%s\nwant:\n%s", got, want)
	}
	if got := show(f, now); strings.TrimSpace(got) != strings.TrimSpace(want) {
		t.Fatalf("merged once more, by plan:\n%s\nwant:\n%s", got, want)
	}
}

func add(f *Fold, name string) *Incarnation {
	return f.Add(Spec{Key: name, WorkerID: name, Born: t0})
}

func TestCounterOverDeathsResetsAndReturns(t *testing.T) {
	f := New(NewOptions())
	a, b := add(f, "a"), add(f, "b")
	page(f, a, t0, sample{id: counter("x_total"), v: 5})
	page(f, b, t0, sample{id: counter("x_total"), v: 7})
	wantShow(t, f, t0, "x_total 12")
	page(f, a, t0, sample{id: counter("x_total"), v: 2}) // reset inside the incarnation
	wantShow(t, f, t0, "x_total 14")
	f.Depart(b, t0, false)
	wantShow(t, f, t0, "x_total 14")
	f.Return(b)
	page(f, b, t0, sample{id: counter("x_total"), v: 8})
	wantShow(t, f, t0, "x_total 15")
	f.Depart(b, t0, false)
	if keys := f.FoldExpired(t0.Add(2 * time.Hour)); len(keys) != 1 || f.Return(b) {
		t.Fatalf("folded %v", keys)
	}
	wantShow(t, f, t0, "x_total 15")
	c := f.Add(Spec{Key: "b", WorkerID: "b", Born: t0, Base: true})
	page(f, c, t0, sample{id: counter("x_total"), v: 8})
	wantShow(t, f, t0, "x_total 15")
	page(f, c, t0, sample{id: counter("x_total"), v: 10})
	wantShow(t, f, t0, "x_total 17")
	f.Depart(a, t0, true)
	f.Depart(c, t0, true)
	wantShow(t, f, t0, "x_total 17")
}

func TestRemovedSeriesCountOn(t *testing.T) {
	f := New(NewOptions())
	a := add(f, "a")
	page(f, a, t0, sample{id: counter("x_total", "k", "1"), v: 5}, sample{id: counter("x_total", "k", "2"), v: 1})
	page(f, a, t0, sample{id: counter("x_total", "k", "2"), v: 1}) // remove()
	wantShow(t, f, t0, "x_total k=1 5\nx_total k=2 1")
	page(f, a, t0, sample{id: counter("x_total", "k", "1"), v: 7}, sample{id: counter("x_total", "k", "2"), v: 1})
	wantShow(t, f, t0, "x_total k=1 12\nx_total k=2 1")
	page(f, a, t0, sample{id: counter("x_total", "k", "2"), v: 1})
	wantShow(t, f, t0, "x_total k=1 12\nx_total k=2 1")
	wantShow(t, f, t0.Add(25*time.Hour), "x_total k=2 1")
	page(f, a, t0.Add(25*time.Hour), sample{id: counter("x_total", "k", "1"), v: 2}, sample{id: counter("x_total", "k", "2"), v: 1})
	wantShow(t, f, t0.Add(25*time.Hour), "x_total k=1 2\nx_total k=2 1")
}

func TestHistogramBounds(t *testing.T) {
	inf := math.Inf(1)
	f := New(NewOptions())
	a, b := add(f, "a"), add(f, "b")
	page(f, a, t0, hist("h", 3, 1, 5, inf, 5)...)
	page(f, b, t0, hist("h", 4, 2, 3, inf, 3)...)
	const both = "h 1:5 2:8 +Inf:8 sum:7 count:8"
	wantShow(t, f, t0, both)
	f.Depart(a, t0, false)
	wantShow(t, f, t0, both)
	f.FoldExpired(t0.Add(2 * time.Hour))
	wantShow(t, f, t0, "h 2:8 +Inf:8 sum:7 count:8") // a bound that only folded sums have
	page(f, b, t0, hist("h", 1, 2, 1, inf, 1)...)    // reset, told by the counts
	wantShow(t, f, t0, "h 2:9 +Inf:9 sum:8 count:9")
	f.Depart(b, t0, true)
	wantShow(t, f, t0, "h 1:5 2:9 +Inf:9 sum:8 count:9")
}

func TestHistogramCompletion(t *testing.T) {
	inf := math.Inf(1)
	f := New(NewOptions())
	a := add(f, "a")
	page(f, a, t0, sample{id: id(exposition.Histogram, "h", exposition.PartBucket, 1), v: 4}) // no +Inf, no count
	wantShow(t, f, t0, "h 1:4 +Inf:4 sum:0 count:4")
	lines := hist("h", 2, 1, 4, inf, 6)
	lines[3].v = 9 // _count unlike +Inf
	page(f, a, t0, lines...)
	wantShow(t, f, t0, "h 1:4 +Inf:6 sum:2 count:6")
}

func TestNegativeObservations(t *testing.T) {
	inf := math.Inf(1)
	f := New(NewOptions())
	a := add(f, "a")
	page(f, a, t0, hist("h", 10, inf, 5)...)
	if r := page(f, a, t0, hist("h", -3, inf, 6)...); r.Resets != 0 {
		t.Fatalf("a sum that falls is no reset: %+v", r)
	}
	wantShow(t, f, t0, "h +Inf:6 sum:-3 count:6")
}

func TestBadValues(t *testing.T) {
	inf := math.Inf(1)
	f := New(NewOptions())
	a := add(f, "a")
	page(f, a, t0, sample{id: counter("x_total"), v: 5})
	for _, bad := range []float64{math.NaN(), inf, -1} {
		if r := page(f, a, t0, sample{id: counter("x_total"), v: bad}); r.BadValues != 1 || r.Resets != 0 {
			t.Fatalf("%v: %+v", bad, r)
		}
		wantShow(t, f, t0, "x_total 5")
	}
	page(f, a, t0, append(hist("h", 10, inf, 5), sample{id: counter("x_total"), v: 5})...)
	page(f, a, t0, append(hist("h", math.NaN(), inf, 6), sample{id: counter("x_total"), v: 5})...)
	wantShow(t, f, t0, "h +Inf:6 sum:NaN count:6\nx_total 5")
	f.Depart(a, t0, true)
	wantShow(t, f, t0, "h +Inf:6 sum:10 count:6\nx_total 5") // NaN never enters the ledger
}

func TestDuplicatesFirstWins(t *testing.T) {
	f := New(NewOptions())
	a := add(f, "a")
	r := page(f, a, t0, sample{id: counter("x_total"), v: 5}, sample{id: counter("x_total"), v: 9})
	wantShow(t, f, t0, "x_total 5")
	if c := f.Conflicts(); r.Duplicates != 1 || len(c) != 1 || c[0].Kind != "duplicate" || c[0].WorkerID != "a" {
		t.Fatalf("%+v, %+v", r, c)
	}
}

func TestTypeConflictOldestWins(t *testing.T) {
	for _, order := range []string{"counter first", "gauge first"} {
		t.Run(order, func(t *testing.T) {
			f := New(NewOptions())
			old := f.Add(Spec{Key: "old", WorkerID: "old", Born: t0})
			young := f.Add(Spec{Key: "young", WorkerID: "young", Born: t0.Add(time.Second)})
			commit := []func(){
				func() { page(f, old, t0, sample{id: counter("x"), v: 5}) },
				func() { page(f, young, t0, sample{id: gaugeID("x"), v: 7}) },
			}
			if order == "gauge first" {
				commit[0], commit[1] = commit[1], commit[0]
			}
			commit[0]()
			f.Families(t0)
			commit[1]()
			wantShow(t, f, t0, "x 5")
			if c := f.Conflicts(); len(c) != 1 || c[0].Kind != "type" || c[0].WorkerID != "young" {
				t.Fatalf("%+v", c)
			}
			f.Depart(old, t0, true)
			wantShow(t, f, t0, "x worker_id=young 7") // the old type's part is dropped for good
			f.Depart(young, t0, true)
			next := add(f, "next")
			page(f, next, t0, sample{id: counter("x"), v: 1})
			wantShow(t, f, t0, "x 1")
		})
	}
}

// What workers counted as a type that was left out is left out for good, but for what those that are present say when it
// wins.
func TestTypeThatWins(t *testing.T) {
	x := func(a string, v float64) sample { return sample{id: counter("x", "a", a), v: v} }
	f, d := New(NewOptions()), &disk{}
	old := f.Add(Spec{Key: "old", WorkerID: "old", Born: t0.Add(-time.Hour)})
	page(f, old, t0, sample{id: gaugeID("x"), v: 1})
	dead, gone, young := add(f, "dead"), add(f, "gone"), add(f, "young")
	for _, inc := range []*Incarnation{dead, gone, young} {
		page(f, inc, t0, append(hist("h", 9, 1, 2, math.Inf(1), 4), x("reset", 10), x("removed", 20))...)
		page(f, inc, t0, append(hist("h", 3, 1, 0, math.Inf(1), 1), x("reset", 3))...)
	}
	f.Depart(dead, t0, true)
	f.Depart(gone, t0, false)
	wantHist := func(want string) { wantShow(t, f, t0, "h 1:6 +Inf:15 sum:36 count:15\n"+want) }
	wantHist("x worker_id=old 1")
	d.save(f, t0, false)
	d.page(f)
	f = restored(t, NewOptions(), d, t0)
	wantHist("x worker_id=old 1")
	list := f.Incarnations()
	f.Depart(list[0], t0, true)
	wantHist("x a=reset 3")
	gone = list[slices.IndexFunc(list, func(inc *Incarnation) bool { return inc.Key == "gone" })]
	f.Return(gone)
	wantHist("x a=reset 3")
	page(f, gone, t0, append(hist("h", 3, 1, 0, math.Inf(1), 1), x("reset", 4))...)
	wantHist("x a=reset 7")
}

// A type that wins hides another family's lines of its names at once, and a sum of negative observations that was reset
// while it was left out is not in its way.
func TestHistogramThatWins(t *testing.T) {
	f := New(NewOptions())
	old := f.Add(Spec{Key: "old", WorkerID: "old", Born: t0.Add(-time.Hour)})
	young := add(f, "young")
	page(f, old, t0, sample{id: gaugeID("x"), v: 1})
	page(f, young, t0, append(hist("x", -9, math.Inf(1), 4), sample{id: counter("x_sum"), v: 5})...)
	page(f, young, t0, append(hist("x", -1, math.Inf(1), 1), sample{id: counter("x_sum"), v: 5})...)
	wantShow(t, f, t0, "x worker_id=old 1\nx_sum 5")
	f.Depart(old, t0, true)
	wantShow(t, f, t0, "x +Inf:1 sum:-1 count:1")
}

// What a worker had counted before its first page does not count either when the type wins later, or again.
func TestBaseOfATypeThatWins(t *testing.T) {
	x := func(v float64) []sample {
		return append(hist("x", v, 1, v-1, math.Inf(1), v), sample{id: counter("y"), v: v})
	}
	gauges := []sample{{id: gaugeID("x"), v: 1}, {id: gaugeID("y"), v: 1}}
	for _, first := range []string{"the base", "the other type"} {
		f := New(NewOptions())
		old := f.Add(Spec{Key: "old", WorkerID: "old", Born: t0.Add(-time.Hour)})
		young := f.Add(Spec{Key: "young", WorkerID: "young", Born: t0, Base: true})
		if first == "the base" {
			page(f, young, t0, x(10)...)
			wantShow(t, f, t0, "x 1:0 +Inf:0 sum:0 count:0\ny 0")
		}
		page(f, old, t0, gauges...)
		page(f, young, t0, x(10)...)
		for v := 12.0; v < 20; v += 2 {
			wantShow(t, f, t0, "x worker_id=old 1\ny worker_id=old 1")
			page(f, young, t0, x(v)...)
			f.Depart(old, t0, false)
			wantShow(t, f, t0, fmt.Sprintf("x 1:%[1]v +Inf:%[1]v sum:%[1]v count:%[1]v\ny %[1]v", v-10))
			f.Return(old)
			page(f, old, t0, gauges...)
		}
		page(f, young, t0, x(3)...) // it begins anew: all of that counts
		f.Depart(old, t0, true)
		wantShow(t, f, t0, "x 1:2 +Inf:3 sum:3 count:3\ny 3")
	}
}

func TestUnknownAgreesWithEveryType(t *testing.T) {
	for _, typedFirst := range []bool{true, false} {
		f := New(NewOptions())
		a, b := add(f, "a"), add(f, "b")
		typed := func() { page(f, a, t0, append(hist("h", 1, 1, 2, math.Inf(1), 3), sample{id: counter("x"), v: 5})...) }
		untyped := func() {
			u := func(name string, labels ...string) exposition.SeriesID {
				return id(exposition.Unknown, name, exposition.PartValue, 0, labels...)
			}
			page(f, b, t0, sample{id: u("x"), v: 2}, sample{id: u("h_bucket", "le", "1"), v: 1},
				sample{id: u("h_bucket", "le", "+Inf"), v: 1}, sample{id: u("h_sum"), v: 4}, sample{id: u("h_count"), v: 1})
		}
		if typedFirst {
			typed()
			untyped()
		} else {
			untyped()
			f.Families(t0)
			typed()
		}
		wantShow(t, f, t0, "h 1:3 +Inf:4 sum:5 count:4\nx 7")
	}
}

func TestUnknownTotalIsACounter(t *testing.T) {
	f := New(NewOptions())
	a, b := add(f, "a"), add(f, "b")
	for _, inc := range []*Incarnation{a, b} {
		page(f, inc, t0, sample{id: id(exposition.Unknown, "x_total", exposition.PartValue, 0), v: 2})
	}
	f.Depart(a, t0, true)
	wantShow(t, f, t0, "x_total 4")
}

func TestSuffixCollision(t *testing.T) {
	f := New(NewOptions())
	a, b := add(f, "a"), add(f, "b")
	page(f, a, t0, hist("h", 1, math.Inf(1), 3)...)
	page(f, b, t0, sample{id: counter("h_sum"), v: 9}, sample{id: counter("h_sum", "k", "v"), v: 4})
	wantShow(t, f, t0, "h +Inf:3 sum:1 count:3\nh_sum k=v 4")
	if c := f.Conflicts(); len(c) != 1 || c[0].Kind != "duplicate" {
		t.Fatalf("%+v", c)
	}
}

func TestStartTimesOnlyWhereAllHaveOne(t *testing.T) {
	created := id(exposition.Counter, "x_total", exposition.PartCreated, 0)
	f := New(NewOptions())
	a, b := add(f, "a"), add(f, "b")
	page(f, a, t0, sample{id: counter("x_total"), v: 1}, sample{id: created, v: 100})
	page(f, b, t0, sample{id: counter("x_total"), v: 1}, sample{id: created, v: 90})
	wantShow(t, f, t0, "x_total 2 @90")
	f.Depart(b, t0, true)
	wantShow(t, f, t0, "x_total 2 @90")
	c := add(f, "c")
	page(f, c, t0, sample{id: counter("x_total"), v: 1}, sample{id: created, v: 50})
	wantShow(t, f, t0, "x_total 3 @90") // never moved
	d := add(f, "d")
	page(f, d, t0, sample{id: counter("x_total"), v: 1})
	wantShow(t, f, t0, "x_total 4")
	f.Depart(d, t0, true)
	wantShow(t, f, t0, "x_total 4")
}

func TestSummaryQuantiles(t *testing.T) {
	opts := NewOptions()
	lines := []sample{
		{id: id(exposition.Summary, "s", exposition.PartQuantile, 0.5), v: 0.25},
		{id: id(exposition.Summary, "s", exposition.PartSum, 0), v: 2},
		{id: id(exposition.Summary, "s", exposition.PartCount, 0), v: 4},
	}
	f := New(opts)
	page(f, add(f, "a"), t0, lines...)
	page(f, add(f, "b"), t0, lines...)
	wantShow(t, f, t0, "s sum:4 count:8")
	opts.SummaryQuantiles = "all"
	f.SetOptions(opts)
	if got := f.Families(t0)[0].Series; len(got) != 3 || got[1].Labels[0].Value != "b" || got[1].Quantiles[0].Value != 0.25 {
		t.Fatalf("%+v", got)
	}
}

func TestRoundingNeverLowers(t *testing.T) {
	f := New(NewOptions())
	a, b, c := add(f, "a"), add(f, "b"), add(f, "c")
	sum := func(v float64) []sample { return hist("h", v, math.Inf(1), 1) }
	page(f, a, t0, sum(0.1)...)
	page(f, b, t0, sum(1e16)...)
	page(f, c, t0, sum(0.7)...)
	before := f.Families(t0)[0].Series[0].Sum
	for _, inc := range []*Incarnation{b, a, c} {
		f.Depart(inc, t0, true)
		if after := f.Families(t0)[0].Series[0].Sum; after != before {
			t.Fatalf("%v became %v", before, after)
		}
	}
}

// TestUntypedPageOfOneThatIsGone counts as the type that others say only after it has departed.
func TestUntypedPageOfOneThatIsGone(t *testing.T) {
	for sum, want := range map[float64]string{4: "5", math.NaN(): "1"} {
		f := New(NewOptions())
		a, b := add(f, "a"), add(f, "b")
		u := func(name string, v float64, labels ...string) sample {
			return sample{id: id(exposition.Unknown, name, exposition.PartValue, 0, labels...), v: v}
		}
		page(f, b, t0, u("x", 2), u("h_bucket", 1, "le", "1"), u("h_bucket", 3, "le", "+Inf"), u("h_sum", sum), u("h_count", 3))
		f.Depart(b, t0, false)
		page(f, a, t0, append(hist("h", 1, 1, 2, 5, 10, math.Inf(1), 12), sample{id: counter("x"), v: 5})...)
		wantShow(t, f, t0, "h 1:3 5:11 +Inf:15 sum:"+want+" count:15\nx 7")
	}
}

// TestUntypedBoundOfMinusZero is that of 0.
func TestUntypedBoundOfMinusZero(t *testing.T) {
	f := New(NewOptions())
	a, b := add(f, "a"), add(f, "b")
	u := func(name string, v float64, labels ...string) sample {
		return sample{id: id(exposition.Unknown, name, exposition.PartValue, 0, labels...), v: v}
	}
	page(f, a, t0, hist("h", 1, 1, 1, math.Inf(1), 2)...)
	page(f, b, t0, u("h_bucket", 1, "le", "-0"), u("h_bucket", 3, "le", "+Inf"), u("h_sum", 1), u("h_count", 3))
	wantShow(t, f, t0, "h 0:1 1:2 +Inf:5 sum:2 count:5")
}
