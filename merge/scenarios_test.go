package merge

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/fedscrape/fedscrape/exposition"
)

var inf = math.Inf(1)

// commitText commits a page as it is on the wire.
func commitText(t testing.TB, f *Fold, inc *Incarnation, now time.Time, lines ...string) Report {
	t.Helper()
	st := inc.Stage()
	p := exposition.NewPage(exposition.Text, exposition.NewTable(1<<20), st, exposition.Limits{}, nil)
	if _, err := p.Write([]byte(strings.Join(lines, "\n") + "\n")); err != nil {
		t.Fatal(err)
	}
	if err := p.Close(true); err != nil {
		t.Fatal(err)
	}
	f.SetUp(inc, true)
	return f.Commit(st, now)
}

func x(key string, v float64) sample { return sample{id: counter("x_total", "k", key), v: v} }

// Scenario 2.
func TestLabelsAreASet(t *testing.T) {
	f := New(NewOptions())
	commitText(t, f, add(f, "a"), t0, "# TYPE x_total counter", `x_total{a="1",b="2"} 1`, `x_total 1`)
	commitText(t, f, add(f, "b"), t0, "# TYPE x_total counter", `x_total{b="2",a="1"} 2`, `x_total{a="1"} 4`)
	wantShow(t, f, t0, "x_total 1\nx_total a=1 4\nx_total a=1 b=2 3")
}

// Scenario 4: a new incarnation under the same worker ID.
func TestNewIncarnationUnderTheSameID(t *testing.T) {
	f := New(NewOptions())
	a := add(f, "0")
	page(f, a, t0, x("1", 5))
	f.Depart(a, t0, true)
	page(f, f.Add(Spec{Key: "next", WorkerID: "0", Born: t0.Add(time.Second)}), t0, x("1", 1))
	wantShow(t, f, t0, "x_total k=1 6")
}

// Scenario 8: bounds that change in a rolling deploy, worker by worker; no bound that is shown ever falls.
func TestRollingDeployOfBounds(t *testing.T) {
	for _, certain := range []bool{true, false} {
		f, now, shown := New(NewOptions()), t0, map[float64]float64{}
		check := func(step string) {
			t.Helper()
			buckets := f.Families(now)[0].Series[0].Buckets
			last := 0.0
			for _, b := range buckets {
				if b.Count < shown[b.UpperBound] || b.Count < last {
					t.Fatalf("%s: bound %v is %v, was %v, the one below is %v", step, b.UpperBound, b.Count, shown[b.UpperBound], last)
				}
				last, shown[b.UpperBound] = b.Count, b.Count
			}
		}
		var old []*Incarnation
		for i := range 4 {
			old = append(old, add(f, "old"+strconv.Itoa(i)))
			page(f, old[i], now, hist("h", 9, 1, float64(i), 5, float64(2*i), inf, float64(3*i+1))...)
			check("old")
		}
		for i, inc := range old {
			f.Depart(inc, now, certain)
			check("departed")
			page(f, add(f, "new"+strconv.Itoa(i)), now, hist("h", 9, 0.5, 1, 2, 2, inf, 3)...)
			check("new")
			now = now.Add(40 * time.Minute)
			f.FoldExpired(now)
			check("later")
		}
	}
}

// Scenario 8: `le` in every spelling.
func TestBoundsInEverySpelling(t *testing.T) {
	f := New(NewOptions())
	for i, le := range []string{"1", "1.0", "1e+00"} {
		commitText(t, f, add(f, strconv.Itoa(i)), t0, "# TYPE h histogram", `h_bucket{le="`+le+`"} 1`, `h_bucket{le="+Inf"} 2`, "h_sum 3", "h_count 2")
	}
	wantShow(t, f, t0, "h 1:3 +Inf:6 sum:9 count:6")
}

// A histogram of sum and count alone has the bucket +Inf, so that it loses nothing beside one with buckets.
func TestHistogramWithoutBuckets(t *testing.T) {
	bare := func(v float64) []sample {
		return []sample{{id: id(exposition.Histogram, "h", exposition.PartSum, 0), v: v}, {id: id(exposition.Histogram, "h", exposition.PartCount, 0), v: v}}
	}
	f := New(NewOptions())
	a := add(f, "a")
	page(f, a, t0, bare(4)...)
	f.Depart(a, t0, false)
	page(f, add(f, "b"), t0, hist("h", 1, 1, 1, inf, 2)...)
	wantShow(t, f, t0, "h 1:1 +Inf:6 sum:5 count:6")
}

// Scenario 9: types that change to and fro; and a collision that ends.
func TestTypesToAndFro(t *testing.T) {
	f := New(NewOptions())
	for i := range 3 {
		a := add(f, fmt.Sprint("a", i))
		page(f, a, t0, sample{id: counter("x"), v: 100})
		wantShow(t, f, t0, "x 100")
		f.Depart(a, t0, i%2 == 0)
		b := add(f, fmt.Sprint("b", i))
		page(f, b, t0, hist("x", 2, inf, 1)...)
		wantShow(t, f, t0, "x +Inf:1 sum:2 count:1")
		f.Depart(b, t0, i%2 == 0)
	}
}

func TestExpiredHistogramGivesItsNamesBack(t *testing.T) {
	f := New(NewOptions())
	a, b := add(f, "a"), add(f, "b")
	page(f, a, t0, hist("h", 1, inf, 3)...)
	page(f, b, t0, sample{id: counter("h_sum"), v: 9})
	wantShow(t, f, t0, "h +Inf:3 sum:1 count:3")
	f.Depart(a, t0, true)
	wantShow(t, f, t0.Add(25*time.Hour), "h_sum 9")
}

// Scenario 12.
func TestValuesAtTheEdges(t *testing.T) {
	f := New(NewOptions())
	a, b := add(f, "a"), add(f, "b")
	const edge = 1 << 53
	page(f, a, t0, x("1", edge), x("2", math.Copysign(0, -1)))
	page(f, b, t0, x("1", 1), x("2", 0))
	c := add(f, "c")
	page(f, c, t0, x("1", 1))
	wantShow(t, f, t0, fmt.Sprintf("x_total k=1 %v\nx_total k=2 0", float64(edge+2)))
	f.Depart(a, t0, true)
	f.Depart(b, t0, false)
	wantShow(t, f, t0, fmt.Sprintf("x_total k=1 %v\nx_total k=2 0", float64(edge+2)))
}

// Scenario 17: remove() and clear() in one worker and in all, of every cumulative type.
func TestRemoveAndClear(t *testing.T) {
	full := append(append(hist("h", 4, 1, 1, inf, 2), x("1", 5)),
		sample{id: id(exposition.Summary, "s", exposition.PartSum, 0), v: 3}, sample{id: id(exposition.Summary, "s", exposition.PartCount, 0), v: 1})
	f := New(NewOptions())
	a, b := add(f, "a"), add(f, "b")
	page(f, a, t0, full...)
	page(f, b, t0, full...)
	const both = "h 1:2 +Inf:4 sum:8 count:4\ns sum:6 count:2\nx_total k=1 10"
	wantShow(t, f, t0, both)
	page(f, a, t0, gaugeSample()) // clear() in one
	wantShow(t, f, t0, "g worker_id=a 1\n"+both)
	page(f, b, t0, gaugeSample()) // in all
	wantShow(t, f, t0, "g worker_id=a 1\ng worker_id=b 1\n"+both)
	page(f, a, t0, append(full, gaugeSample())...) // counts anew
	wantShow(t, f, t0, "g worker_id=a 1\ng worker_id=b 1\nh 1:3 +Inf:6 sum:12 count:6\ns sum:9 count:3\nx_total k=1 15")
	if got := show(f, t0.Add(25*time.Hour)); !strings.Contains(got, "x_total k=1 15") {
		t.Errorf("a present worker has it: %s", got)
	}
}

func gaugeSample() sample { return sample{id: gaugeID("g"), v: 1} }

// Scenario 20: text's `x_created`, which is a gauge there, beside a family that only another page declares.
func TestCreatedGaugeJoinsAnotherPagesFamily(t *testing.T) {
	for _, first := range []string{"a", "b"} {
		f := New(NewOptions())
		a, b := add(f, "a"), add(f, "b")
		pages := map[string]func(){
			"a": func() {
				page(f, a, t0, sample{id: counter("x_total"), v: 1}, sample{id: id(exposition.Counter, "x_total", exposition.PartCreated, 0), v: 70})
			},
			"b": func() {
				page(f, b, t0, sample{id: id(exposition.Unknown, "x_total", exposition.PartValue, 0), v: 1}, sample{id: gaugeID("x_created"), v: 60})
			},
		}
		pages[first]()
		pages[map[string]string{"a": "b", "b": "a"}[first]]()
		wantShow(t, f, t0, "x_total 2 @60")
	}
}

// An untyped histogram is one: a reset and a removal are seen as a whole, and nothing is lost or counted twice.
func TestUntypedHistogramIsWholeInItsResets(t *testing.T) {
	untyped := func(low, count float64) []sample {
		u := func(name string, v float64, ls ...string) sample {
			return sample{id: id(exposition.Unknown, name, exposition.PartValue, 0, ls...), v: v}
		}
		return []sample{u("h_bucket", low, "le", "1"), u("h_bucket", count, "le", "+Inf"), u("h_sum", count), u("h_count", count)}
	}
	for _, typedFirst := range []bool{true, false} {
		f := New(NewOptions())
		a, b := add(f, "a"), add(f, "b")
		if !typedFirst {
			page(f, b, t0, untyped(2, 5)...)
			f.Families(t0)
		}
		page(f, a, t0, hist("h", 1, 1, 1, inf, 1)...)
		page(f, b, t0, untyped(2, 5)...)
		wantShow(t, f, t0, "h 1:3 +Inf:6 sum:6 count:6")
		if c := f.Conflicts(); len(c) != 0 {
			t.Errorf("%+v", c)
		}
		if r := page(f, b, t0, untyped(1, 1)...); r.Resets != 1 {
			t.Errorf("%+v", r)
		}
		wantShow(t, f, t0, "h 1:4 +Inf:7 sum:7 count:7")
		page(f, b, t0, gaugeSample()) // removed
		wantShow(t, f, t0, "g worker_id=b 1\nh 1:4 +Inf:7 sum:7 count:7")
		page(f, b, t0, untyped(1, 2)...)
		wantShow(t, f, t0, "h 1:5 +Inf:9 sum:9 count:9")
		f.Depart(a, t0, true)
		f.Depart(b, t0, !typedFirst)
		wantShow(t, f, t0, "h 1:5 +Inf:9 sum:9 count:9")
		if got := show(f, t0.Add(25*time.Hour)); got != "" {
			t.Errorf("outlived its retention: %s", got)
		}
	}
}

// Series that only the ledger has make room, the oldest first; then new ones are refused.
func TestSeriesLimitLedgerOnlyGoFirst(t *testing.T) {
	opts := NewOptions()
	opts.SeriesLimit = 4
	f, now := New(opts), t0
	for i, key := range []string{"m", "z", "a"} { // the oldest is neither the first nor the last by name
		now = now.Add(time.Minute)
		inc := add(f, key)
		page(f, inc, now, x(key, 1))
		f.Families(now)
		f.Depart(inc, now, i == 0)
	}
	live := add(f, "live")
	page(f, live, now, x("live", 3), x("live2", 4))
	wantShow(t, f, now, "x_total k=a 1\nx_total k=live 3\nx_total k=live2 4\nx_total k=z 1")
	if f.Refused() != 1 || f.Series() != 4 {
		t.Errorf("refused %d, series %d", f.Refused(), f.Series())
	}
	page(f, live, now, x("live", 3), x("live2", 4), x("live3", 5), x("live4", 6))
	wantShow(t, f, now, "x_total k=live 3\nx_total k=live2 4\nx_total k=live3 5\nx_total k=live4 6")
	if slot := f.Slot(counter("x_total", "k", "over")); slot != noSlot || f.Refused() != 4 {
		t.Errorf("slot %d, refused %d", slot, f.Refused())
	}
}

// Metrics that deploys rename, and gauges of label sets that go, leave the count again.
func TestRenamedMetricsMakeRoom(t *testing.T) {
	f, now := New(NewOptions()), t0
	a := add(f, "a")
	for i := range 50 {
		now = now.Add(25 * time.Hour)
		page(f, a, now, sample{id: counter(fmt.Sprintf("v%d_total", i)), v: 1}, sample{id: gaugeID("g", "v", strconv.Itoa(i)), v: 1})
		f.Families(now)
	}
	if n := f.Series(); n > 4 {
		t.Errorf("%d series", n)
	}
}

func TestExtremesOutliveAReload(t *testing.T) {
	f, _, _ := gaugeFold(t, ModeMin, true)
	opts := f.opts
	opts.DepartedRetention = 4 * time.Hour
	f.SetOptions(opts)
	d := add(f, "d")
	page(f, d, t0, sample{id: gaugeID("g"), v: 2})
	f.Depart(d, t0.Add(time.Minute), true)
	wantShow(t, f, t0.Add(2*time.Minute), "g 1")
	wantShow(t, f, t0.Add(5*time.Hour), "g 3")
}

func TestNaNThatStaysIsNoChange(t *testing.T) {
	opts := NewOptions()
	opts.DefaultGaugeMode = ModeMostRecent
	f := New(opts)
	a, b := add(f, "a"), add(f, "b")
	set := func(inc *Incarnation, at int, v float64) {
		page(f, inc, t0.Add(time.Duration(at)*time.Second), sample{id: gaugeID("g"), v: v})
	}
	set(a, 0, math.NaN())
	set(b, 1, 1)
	set(b, 2, 2)
	set(a, 3, math.NaN())
	wantShow(t, f, t0, "g 2")
}

func TestAverages(t *testing.T) {
	f, _, b := gaugeFold(t, ModeAvg, false)
	wantShow(t, f, t0.Add(time.Second), "g 3") // 3, 5, and 1 of the departed
	f.FoldExpired(t0.Add(2 * time.Hour))
	wantShow(t, f, t0.Add(2*time.Hour), "g 4")
	f.SetUp(b, false)
	wantShow(t, f, t0.Add(2*time.Hour), "g 4")
}

// What is not finite counts while its worker lasts, and never enters the ledger.
func TestInfiniteGaugeEndsWithItsWorker(t *testing.T) {
	for _, bad := range []float64{inf, -inf, math.NaN()} {
		opts := NewOptions()
		opts.DefaultGaugeMode = ModeSum
		f := New(opts)
		a, b := add(f, "a"), add(f, "b")
		page(f, a, t0, sample{id: gaugeID("g"), v: 2})
		page(f, b, t0, sample{id: gaugeID("g"), v: bad})
		wantShow(t, f, t0, fmt.Sprint("g ", bad))
		f.Depart(b, t0, true)
		wantShow(t, f, t0, "g 2")
	}
}
