package merge

import (
	"math"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/fedscrape/fedscrape/exposition"
)

// The sum of what folded workers left may be exactly 0, and is a value all the same.
func TestSumOfNothingButZero(t *testing.T) {
	f, d := New(lawOptions()), &disk{}
	for i, v := range []float64{5, -5, 0} {
		inc := add(f, strconv.Itoa(i))
		page(f, inc, t0, sample{id: gaugeID("g_sum"), v: v})
		f.Depart(inc, t0, true)
	}
	wantShow(t, f, t0, "g_sum 0")
	f.fewFreed = 1
	f.Compact(t0.Add(1000 * time.Hour))
	wantShow(t, f, t0.Add(1000*time.Hour), "g_sum 0")
	d.save(f, t0, false)
	d.page(f)
	wantShow(t, restored(t, lawOptions(), d, t0), t0, "g_sum 0")
}

// A worker may change its mind about a gauge, with the same lines as before.
func TestHintChangesWithinTheSameLines(t *testing.T) {
	f := New(NewOptions())
	a, b := add(f, "a"), add(f, "b")
	p := func(sum, most float64) []sample {
		return []sample{
			{id: gaugeID("g"), v: 3},
			{id: gaugeID(hintFamily, "metric", "g", "mode", "sum"), v: sum},
			{id: gaugeID(hintFamily, "metric", "g", "mode", "max"), v: most},
		}
	}
	page(f, a, t0, p(1, 0)...)
	page(f, b, t0, p(1, 0)...)
	wantShow(t, f, t0, "g 6")
	page(f, a, t0, p(0, 1)...)
	wantShow(t, f, t0, "g 3")
	page(f, a, t0, p(0, 0)...)
	wantShow(t, f, t0, "g 6") // as b says
}

// A gauge named *_info that was something else once is an info again when its values have been 1 for long.
func TestInfoComesBack(t *testing.T) {
	f, d, now := New(NewOptions()), &disk{}, t0
	a, b := add(f, "a"), add(f, "b")
	p := func(inc *Incarnation, v float64) { page(f, inc, now, sample{id: gaugeID("build_info"), v: v}) }
	p(a, 1)
	p(b, 1)
	wantShow(t, f, now, "build_info 1")
	p(b, 2)
	gauges := "build_info worker_id=a 1\nbuild_info worker_id=b 1"
	wantShow(t, f, now, strings.Replace(gauges, "b 1", "b 2", 1))
	p(b, 1)
	for range 5 { // not at once, or it would go to and fro
		wantShow(t, f, now, gauges)
		now = now.Add(10 * time.Minute)
	}
	d.page(f)
	f = restored(t, NewOptions(), d, now)
	list := f.Incarnations()
	a, b = list[0], list[1]
	p(b, 2)
	p(b, 1)
	now = now.Add(59 * time.Minute)
	wantShow(t, f, now, gauges)
	now = now.Add(2 * time.Minute)
	wantShow(t, f, now, "build_info 1")
	p(a, 7)
	now = now.Add(5 * time.Hour) // it hangs, and says 7 still
	wantShow(t, f, now, "build_info worker_id=a 7\nbuild_info worker_id=b 1")
}

// Series of pages that never ended well do not count for series_limit for ever.
func TestSeriesThatNeverCame(t *testing.T) {
	opts := NewOptions()
	opts.SeriesLimit = 100
	f, now := New(opts), t0
	a := add(f, "a")
	page(f, a, now, x1(1))
	broken := a.Stage()
	for _, s := range costPage(200) {
		broken.Slot(s.id)
	}
	f.Families(now)
	if f.Series() != 100 || f.Slot(counter("new_total")) != noSlot {
		t.Fatalf("%d series", f.Series())
	}
	now = now.Add(11 * time.Minute)
	page(f, a, now, x1(2))
	f.Families(now)
	if f.Series() != 1 || f.Slot(counter("new_total")) == noSlot {
		t.Errorf("%d series", f.Series())
	}
	if !f.Compact(now) || f.inUse() != 2 {
		t.Errorf("%d lines are left", f.inUse())
	}
}

// Bounds that no worker has any more go after series_retention, and what was counted there stays.
func TestOldBoundsGo(t *testing.T) {
	f, now := New(NewOptions()), t0
	f.fewFreed = 1
	old, a := add(f, "old"), add(f, "a")
	page(f, old, now, hist("h", 1, 0.5, 1, 1, 2, 3, 4, 5, 6, inf, 8)...)
	f.Depart(old, now, true)
	for i := range 30 {
		page(f, a, now, hist("h", 1, 1, 1, 5, 2, inf, 3+float64(i))...)
		wantShow(t, f, now, "h 1:3 5:8 +Inf:"+strconv.Itoa(11+i)+" sum:2 count:"+strconv.Itoa(11+i))
		f.Compact(now)
		now = now.Add(time.Hour)
	}
	s := f.families["h"].variants[exposition.Histogram].series[0]
	if bounds := slices.Collect(boundsOf(s)); !slices.Equal(bounds, []float64{1, 5, inf}) {
		t.Errorf("bounds: %v", bounds)
	}
	f.Depart(a, now, true)
	wantShow(t, f, now, "h 1:3 5:8 +Inf:40 sum:2 count:40")
}

func boundsOf(s *series) func(func(float64) bool) {
	return func(yield func(float64) bool) {
		for _, b := range s.buckets {
			if !yield(b.bound) {
				return
			}
		}
	}
}

// Who forgets on purpose, and dies before a page shows it, has forgotten.
func TestForgetThenCrash(t *testing.T) {
	f, d, a, _, _ := crashTest(t)
	f.Depart(a, t0, false)
	d.save(f, t0, false)
	d.page(f)
	f.Forget(t0)
	if !f.Unsaved() {
		t.Error("it is not to be saved")
	}
	d.append(f.Save(t0))
	g := wantRestored(t, d, "x_total 0", "BC")
	list := g.Incarnations()
	page(g, list[0], t0, x1(21))
	page(g, list[1], t0, x1(300))
	wantShow(t, g, t0, "x_total 0") // what they said since nobody knows
	page(g, list[0], t0, x1(24))
	wantShow(t, g, t0, "x_total 3")
}

// Ten thousand goodbyes, and ten thousand that were killed, leave records as large as a few do.
func TestRecordsAreFlat(t *testing.T) {
	for _, certain := range []bool{true, false} {
		opts := NewOptions()
		opts.DefaultGaugeMode = ModeAll
		f, d, now, early := New(opts), &disk{}, t0, 0
		lines := append(costPage(20), hist("h", 1, 1, 1, inf, 2)...)
		lines = append(lines, gaugeSample(), sample{id: gaugeID("process_start_time_seconds"), v: 5})
		for i := range 10_000 {
			now = now.Add(20 * time.Second)
			inc := f.Add(Spec{Key: strconv.Itoa(i), WorkerID: strconv.Itoa(i % 8), Born: now})
			page(f, inc, now, lines...)
			if i%20 == 0 {
				f.FoldExpired(now)
				f.Families(now)
			}
			f.Depart(inc, now, certain)
			if i%20 == 0 {
				d.save(f, now, false)
				d.page(f)
			}
			if i == 1000 {
				early = len(pack(d.records, d.newest()))
			}
		}
		late := len(pack(d.records, d.newest()))
		t.Logf("certain %v: %d bytes, were %d", certain, late, early)
		if late > early+early/10 || len(d.records) > 256+3 {
			t.Errorf("%d bytes, were %d; %d records", late, early, len(d.records))
		}
		if got := show(restored(t, opts, d, now), now); !strings.Contains(got, "x_total k=1 ") {
			t.Errorf("restored: %s", got)
		}
	}
}

// A page that lacks its +Inf bucket does not take the buckets of workers with other bounds away, however often it comes.
func TestMixedBoundsWithoutInf(t *testing.T) {
	f := New(NewOptions())
	a, b := add(f, "a"), add(f, "b")
	page(f, a, t0, hist("h", 1, 1, 2, 2, 3, math.Inf(1), 4)...)
	lacks := hist("h", 1, 1, 2, 5, 3, math.Inf(1), 4)
	lacks = append(lacks[:2:2], lacks[3:]...)
	for range 3 {
		page(f, b, t0, lacks...)
		wantShow(t, f, t0, "h 1:4 2:5 5:6 +Inf:8 sum:2 count:8")
	}
}

// Untyped buckets are none of a summary's: they neither count in its place nor take it away when they are gone.
func TestUntypedBucketsBesideASummary(t *testing.T) {
	f := New(NewOptions())
	a, b := add(f, "a"), add(f, "b")
	summary := func(now time.Time) { commitText(t, f, a, now, "# TYPE h summary", "h_sum 5", "h_count 3") }
	summary(t0)
	commitText(t, f, b, t0, `h_bucket{le="1"} 2`, `h_bucket{le="+Inf"} 4`, "h_sum 7", "h_count 4")
	f.SetUp(b, true)
	wantShow(t, f, t0, "h sum:12 count:7\nh_bucket le=+Inf worker_id=b 4\nh_bucket le=1 worker_id=b 2")
	f.Depart(b, t0, true)
	wantShow(t, f, t0, "h sum:12 count:7")
	later := t0.Add(25 * time.Hour)
	summary(later)
	wantShow(t, f, later, "h sum:12 count:7")
}

// An untyped line that counts as another worker's typed one is no series of its own, also where its number is refused.
func TestRefusedUntypedLineIsNoSeries(t *testing.T) {
	f := New(NewOptions())
	page(f, add(f, "a"), t0, sample{id: counter("t"), v: 1})
	show(f, t0)
	page(f, add(f, "b"), t0, sample{id: id(exposition.Unknown, "t", exposition.PartValue, 0), v: math.NaN()}, sample{id: gaugeID("g"), v: 1})
	if show(f, t0); f.Series() != 2 {
		t.Errorf("%d series, want t and g: %v", f.Series(), living(f))
	}
}
