package merge

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/fedscrape/fedscrape/exposition"
)

// gauges of three workers: a and b live, c departed.
func gaugeFold(t *testing.T, mode Mode, certain bool) (f *Fold, a, b *Incarnation) {
	t.Helper()
	opts := NewOptions()
	opts.DefaultGaugeMode = mode
	f = New(opts)
	a, b = add(f, "a"), add(f, "b")
	c := add(f, "c")
	page(f, a, t0, sample{id: gaugeID("g"), v: 3})
	page(f, b, t0, sample{id: gaugeID("g"), v: 5})
	page(f, c, t0, sample{id: gaugeID("g"), v: 10})
	page(f, c, t0.Add(time.Second), sample{id: gaugeID("g"), v: 1}) // seen to change
	f.Depart(c, t0.Add(time.Second), certain)
	return f, a, b
}

// TestGaugeModes has every mode before and after a worker's death, and when another one is not up.
func TestGaugeModes(t *testing.T) {
	for _, c := range []struct {
		mode                   Mode
		now, later, bDown, all string
	}{
		// now: right after; later: after departed_retention; bDown: b is present but not up.
		{ModeAll, "worker_id=a 3,worker_id=b 5,worker_id=c 1", "worker_id=a 3,worker_id=b 5", "worker_id=a 3,worker_id=b 5", ""},
		{ModeLiveAll, "worker_id=a 3,worker_id=b 5", "worker_id=a 3,worker_id=b 5", "worker_id=a 3", ""},
		{ModeMin, "1", "3", "3", ""},
		{ModeLiveMin, "3", "3", "3", ""},
		{ModeMax, "5", "5", "5", ""},
		{ModeLiveMax, "5", "5", "3", ""},
		{ModeSum, "9", "9", "9", ""},
		{ModeLiveSum, "8", "8", "3", ""},
		{ModeMostRecent, "1", "1", "1", ""},
		{ModeLiveMostRecent, "5", "5", "3", ""},
		{ModeLiveAvg, "4", "4", "3", ""},
		{ModeOmit, "", "", "", ""},
	} {
		for _, certain := range []bool{false, true} {
			t.Run(fmt.Sprint(c.mode, " certain ", certain), func(t *testing.T) {
				f, _, b := gaugeFold(t, c.mode, certain)
				is := func(when time.Time, want string) {
					t.Helper()
					got := strings.TrimSpace(strings.ReplaceAll(strings.ReplaceAll(show(f, when), "g ", ""), "\n", ","))
					if strings.TrimSuffix(got, ",") != want {
						t.Errorf("%q, want %q", got, want)
					}
				}
				is(t0.Add(2*time.Second), c.now)
				f.FoldExpired(t0.Add(2 * time.Hour))
				is(t0.Add(2*time.Hour), c.later)
				f.SetUp(b, false)
				is(t0.Add(2*time.Hour), c.bDown)
			})
		}
	}
}

func TestDepartedGaugesGiveWayToASuccessor(t *testing.T) {
	for _, certain := range []bool{false, true} {
		f, _, _ := gaugeFold(t, ModeAll, certain)
		next := f.Add(Spec{Key: "next", WorkerID: "c", Born: t0})
		page(f, next, t0, sample{id: gaugeID("g"), v: 7})
		wantShow(t, f, t0.Add(2*time.Second), "g worker_id=a 3\ng worker_id=b 5\ng worker_id=c 7")
		f.Depart(next, t0.Add(3*time.Second), true)
		wantShow(t, f, t0.Add(10*time.Minute), "g worker_id=a 3\ng worker_id=b 5")
	}
}

func TestMostRecentRanks(t *testing.T) {
	opts := NewOptions()
	opts.DefaultGaugeMode = ModeMostRecent
	f := New(opts)
	old, young := f.Add(Spec{Key: "o", WorkerID: "o", Born: t0}), f.Add(Spec{Key: "y", WorkerID: "y", Born: t0.Add(1)})
	page(f, old, t0, sample{id: gaugeID("g"), v: 4})
	page(f, young, t0, sample{id: gaugeID("g"), v: 0})
	wantShow(t, f, t0, "g 4") // 0 last
	page(f, young, t0.Add(time.Second), sample{id: gaugeID("g"), v: 6})
	wantShow(t, f, t0, "g 6") // seen to change
	page(f, old, t0.Add(2*time.Second), sample{id: gaugeID("g"), v: 0})
	wantShow(t, f, t0, "g 0")
	page(f, young, t0.Add(time.Second), sample{id: gaugeID("g"), v: 6, ts: t0.Add(time.Hour).UnixMilli()})
	wantShow(t, f, t0, "g 6") // its own timestamp
	f.Depart(young, t0, true)
	wantShow(t, f, t0.Add(48*time.Hour), "g 6") // for as long as the instance lasts
}

func TestStartTimeGaugeNeverMovesForward(t *testing.T) {
	start := func(v float64) sample { return sample{id: gaugeID("process_start_time_seconds"), v: v} }
	f := New(NewOptions())
	a, b := add(f, "a"), add(f, "b")
	page(f, a, t0, start(100))
	page(f, b, t0, start(200))
	wantShow(t, f, t0, "process_start_time_seconds 100")
	f.Depart(a, t0, false)
	f.FoldExpired(t0.Add(2 * time.Hour))
	wantShow(t, f, t0.Add(30*time.Hour), "process_start_time_seconds 100")
}

func TestWhoDecidesAMode(t *testing.T) {
	hintID := func(metric, mode string) exposition.SeriesID {
		return gaugeID(hintFamily, "metric", metric, "mode", mode)
	}
	opts := NewOptions()
	match, err := NewRegexp("ruled_.*")
	if err != nil {
		t.Fatal(err)
	}
	opts.GaugeModes = []GaugeRule{{match, ModeSum}}
	f := New(opts)
	a, b := add(f, "a"), f.Add(Spec{Key: "b", WorkerID: "b", Born: t0.Add(time.Second)})
	lines := func(mode string) []sample {
		return []sample{
			{id: gaugeID("ruled_x"), v: 2},
			{id: hintID("ruled_x", "max"), v: 1},
			{id: gaugeID("hinted"), v: 2},
			{id: hintID("hinted", mode), v: 1},
			{id: gaugeID("go_goroutines"), v: 2},
			{id: gaugeID("other"), v: 2},
			{id: gaugeID("build_info", "v", "1"), v: 1},
			{id: gaugeID("odd_info"), v: 5},
			{id: hintID("other", "nonsense"), v: 1},
		}
	}
	page(f, a, t0, lines("livesum")...)
	page(f, b, t0, lines("livemax")...) // the oldest present worker's hint counts
	wantShow(t, f, t0, strings.Join([]string{
		"build_info v=1 1", "go_goroutines 4", "hinted 4", "odd_info worker_id=a 5", "odd_info worker_id=b 5", "other worker_id=a 2",
		"other worker_id=b 2", "ruled_x 4",
	}, "\n"))
	if c := f.Conflicts(); len(c) != 1 || c[0].Metric != "hinted" || c[0].WorkerID != "b" {
		t.Errorf("%+v", c)
	}
	f.Depart(a, t0, true)
	if got := show(f, t0); !strings.Contains(got, "hinted 2\n") {
		t.Error(got)
	}
}

func TestStateSet(t *testing.T) {
	state := func(name string, v float64) sample {
		return sample{id: id(exposition.StateSet, "s", exposition.PartValue, 0, "s", name), v: v}
	}
	opts := NewOptions()
	f := New(opts)
	page(f, add(f, "a"), t0, state("on", 1), state("off", 0))
	page(f, add(f, "b"), t0, state("on", 0), state("off", 1))
	page(f, add(f, "c"), t0, state("on", 1), state("off", 0))
	wantShow(t, f, t0, "s s=off 1\ns s=on 1")
	match, _ := NewRegexp("s")
	opts.GaugeModes = []GaugeRule{{match, ModeLiveSum}}
	f.SetOptions(opts)
	wantShow(t, f, t0, "s s=off 1\ns s=on 2")
}

func TestInfoOfWorkersThatAreUp(t *testing.T) {
	f := New(NewOptions())
	info := func(v string) sample {
		return sample{id: id(exposition.Info, "b_info", exposition.PartValue, 0, "v", v), v: 1}
	}
	a, b := add(f, "a"), add(f, "b")
	page(f, a, t0, info("1"))
	page(f, b, t0, info("2"))
	wantShow(t, f, t0, "b_info v=1 1\nb_info v=2 1")
	f.SetUp(a, false)
	wantShow(t, f, t0, "b_info v=2 1")
}

func TestWorkersOwnLabelIsRenamed(t *testing.T) {
	f := New(NewOptions())
	page(f, add(f, "a"), t0, sample{id: gaugeID("g", "worker_id", "own"), v: 1}, sample{id: counter("c_total", "worker_id", "own"), v: 1})
	wantShow(t, f, t0, "c_total worker_id=own 1\ng exported_worker_id=own worker_id=a 1")
	got := WithWorker(exposition.Labels{{Name: "exported_pid", Value: "1"}, {Name: "pid", Value: "2"}}, "pid", "3")
	if fmt.Sprint(got) != "[{exported_exported_pid 2} {exported_pid 1} {pid 3}]" {
		t.Error(got)
	}
}

// TestFoldedStartsCount folds a contribution without a start time before the series is ever shown.
func TestFoldedStartsCount(t *testing.T) {
	created := id(exposition.Counter, "x_total", exposition.PartCreated, 0)
	f := New(NewOptions())
	old, young := add(f, "old"), add(f, "young")
	page(f, old, t0, sample{id: counter("x_total"), v: 1000})
	f.Depart(old, t0, true)
	page(f, young, t0, sample{id: counter("x_total"), v: 1}, sample{id: created, v: 50})
	wantShow(t, f, t0, "x_total 1001")
}

// TestDepartedTypeDoesNotDecide has a departed worker that is older than the present one of another type.
func TestDepartedTypeDoesNotDecide(t *testing.T) {
	f := New(NewOptions())
	old, young := add(f, "old"), f.Add(Spec{Key: "y", WorkerID: "y", Born: t0.Add(time.Second)})
	page(f, young, t0, sample{id: gaugeID("x"), v: 7})
	wantShow(t, f, t0, "x worker_id=y 7")
	page(f, old, t0, sample{id: counter("x"), v: 5})
	f.Depart(old, t0, false)
	wantShow(t, f, t0, "x worker_id=y 7")
	f.Depart(young, t0, false)
	if got := show(f, t0); got != "" {
		t.Errorf("a departed worker's type took over: %s", got)
	}
}

// TestSumHeldBackByRounding shows a sum again that rounding alone would lower.
func TestSumHeldBackByRounding(t *testing.T) {
	f := New(NewOptions())
	a := add(f, "a")
	page(f, a, t0, hist("h", 1e9, math.Inf(1), 1)...)
	wantShow(t, f, t0, "h +Inf:1 sum:1e+09 count:1")
	page(f, a, t0, hist("h", 1e9-0.5, math.Inf(1), 2)...)
	wantShow(t, f, t0, "h +Inf:2 sum:1e+09 count:2")
	page(f, a, t0, hist("h", 1e9-2, math.Inf(1), 3)...) // lawful: a negative observation
	wantShow(t, f, t0, "h +Inf:3 sum:9.99999998e+08 count:3")
}

func TestHelpAndUnit(t *testing.T) {
	f := New(NewOptions())
	say := func(inc *Incarnation, help, unit string) {
		st := inc.Stage()
		st.Meta("x_total", exposition.Counter, help, unit)
		st.Sample(st.Slot(counter("x_total")), 1, 0, false)
		f.Commit(st, t0)
	}
	old, young := add(f, "old"), f.Add(Spec{Key: "young", WorkerID: "young", Born: t0.Add(time.Second)})
	is := func(help, unit string, conflicts int) {
		t.Helper()
		if fam := f.Families(t0)[0]; fam.Help != help || fam.Unit != unit || len(f.Conflicts()) != conflicts {
			t.Errorf("%q %q, %+v", fam.Help, fam.Unit, f.Conflicts())
		}
	}
	say(old, "old", "seconds")
	say(young, "", "")
	is("old", "seconds", 0) // an empty one agrees with all
	say(young, "new", "bytes")
	is("new", "bytes", 2)
	f.Depart(old, t0, true)
	f.Depart(young, t0, true)
	is("new", "bytes", 0)
}

func TestSeriesLimit(t *testing.T) {
	opts := NewOptions()
	opts.SeriesLimit = 2
	f := New(opts)
	a := add(f, "a")
	page(f, a, t0, sample{id: counter("x_total", "k", "1"), v: 1}, sample{id: counter("x_total", "k", "2"), v: 2})
	if slot := f.Slot(counter("x_total", "k", "3")); slot != noSlot {
		t.Errorf("slot %d over the limit", slot)
	}
	wantShow(t, f, t0, "x_total k=1 1\nx_total k=2 2")
}

// TestNewBoundAtSeriesLimit: a new line of a series that is known takes no room, and drives nobody out.
func TestNewBoundAtSeriesLimit(t *testing.T) {
	opts := NewOptions()
	opts.SeriesLimit = 2
	f := New(opts)
	a, gone := add(f, "a"), add(f, "gone")
	page(f, a, t0, hist("h", 1, 1, 1, math.Inf(1), 2)...)
	page(f, gone, t0, sample{id: counter("old_total"), v: 7})
	f.Depart(gone, t0, true)
	f.Families(t0)
	page(f, a, t0.Add(time.Second), hist("h", 1, 1, 1, 5, 2, math.Inf(1), 2)...)
	wantShow(t, f, t0.Add(time.Second), "h 1:1 5:2 +Inf:2 sum:1 count:2\nold_total 7")
	if n := f.Refused(); n != 0 {
		t.Errorf("%d are refused", n)
	}
}
