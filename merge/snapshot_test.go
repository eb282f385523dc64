package merge

import (
	"math"
	"math/rand/v2"
	"testing"
)

func TestGap(t *testing.T) {
	c := func(v ...float64) (p []sample) {
		for i, x := range v {
			p = append(p, sample{id: counter("c_total", "k", string(rune('a'+i))), v: x})
		}
		return p
	}
	f := func(what string, before, after []sample, want Gap) {
		t.Helper()
		fold := New(NewOptions())
		inc := add(fold, "a")
		page(fold, inc, t0, before...)
		st := inc.Stage()
		for _, s := range after {
			st.Sample(st.Slot(s.id), s.v, 0, false)
		}
		if got := fold.Gap(st, fold.Snapshot(inc)); got != want {
			t.Errorf("%s: %+v, want %+v", what, got, want)
		}
	}
	f("nothing before", nil, c(1, 2), Gap{Rise: 3})
	f("the same", c(1, 2), c(1, 2), Gap{})
	f("on", c(1, 2), c(1, 5), Gap{Rise: 3})
	f("more", c(1), c(1, 5), Gap{Rise: 5})
	f("a fall", c(1, 2), c(9, 1), Gap{Fell: true, Rise: 8})
	f("a loss", c(1, 2), c(1), Gap{Fell: true})
	f("twice: the first counts", c(1), append(c(2), c(1)...), Gap{Rise: 1})
	f("gauges do not matter", []sample{{id: gaugeID("g"), v: 5}}, []sample{{id: gaugeID("h"), v: 1}}, Gap{})
	f("a count that is made up is no loss", hist("h", 1, 1, 1, math.Inf(1), 2)[:3], hist("h", 1, 1, 1, math.Inf(1), 2)[:2], Gap{})
}

// TestGapAfterForget takes no page that was let go for one that a process goes on from.
func TestGapAfterForget(t *testing.T) {
	fold := New(NewOptions())
	inc := add(fold, "a")
	page(fold, inc, t0, sample{id: counter("c_total"), v: 1})
	old := fold.Snapshot(inc)
	fold.Forget(t0)
	st := inc.Stage()
	st.Sample(st.Slot(counter("c_total")), 2, 0, false)
	if !fold.Gap(st, old).Fell {
		t.Error("it goes on from what is forgotten")
	}
	if got := fold.Gap(st, fold.Snapshot(inc)); got != (Gap{Rise: 1}) {
		t.Errorf("%+v", got)
	}
}

// TestGapAfterNewLife: what a line had when its slot began another life is nothing to go on from, also where each page repeats the
// lines of the one before.
func TestGapAfterNewLife(t *testing.T) {
	f := New(NewOptions())
	inc := add(f, "a")
	page(f, inc, t0, x("1", 1), x("2", 1))
	page(f, inc, t0, x("1", 2), x("2", 2))
	old := f.Snapshot(inc)
	if got := f.Gap(stage(inc, x("1", 3), x("2", 3)), old); got != (Gap{Rise: 2}) {
		t.Fatalf("before: %+v", got)
	}
	f.beginLife(inc.slots[0])
	if got := f.Gap(stage(inc, x("1", 3), x("2", 3)), old); got != (Gap{Rise: 4}) {
		t.Errorf("after: %+v", got)
	}
}

// The memory of a page is used again when nobody has it any more, and not before, whoever had it first.
func TestPagesAreReleased(t *testing.T) {
	f := New(NewOptions())
	a := add(f, "a")
	value := func(s *Snapshot) float64 { return s.last[0] }
	page(f, a, t0, x("1", 1), x("2", 1))
	page(f, a, t0, x("1", 2), x("2", 2))
	st := stage(a, x("1", 3), x("2", 3))
	staged := st.Snapshot()
	f.Commit(st, t0)
	shared := f.Share(staged)
	before := page(f, a, t0, x("1", 1), x("2", 1)).Before
	f.Release(staged)
	f.Release(staged) // it is nobody's by now
	for v := 2.0; v < 9; v++ {
		page(f, a, t0, x("1", v), x("2", v))
		if value(shared) != 3 || before != nil && value(before) != 3 {
			t.Fatalf("page %v: shared is %v, before is %v", v, value(shared), value(before))
		}
	}
	if before == nil {
		t.Fatal("nothing fell")
	}
	had := &shared.last[0]
	f.Release(before)
	page(f, a, t0, x("1", 9), x("2", 9))
	if value(shared) != 3 {
		t.Errorf("shared is %v", value(shared))
	}
	f.Release(shared)
	for _, values := range f.spare {
		if cap(values) > 0 && &values[:1][0] == had {
			return
		}
	}
	t.Error("its memory is not used again")
}

// How a page follows the last one is found out once, but anew when pages have come: the memory of one may be another's.
func TestGapAfterOtherPages(t *testing.T) {
	f := New(NewOptions())
	a := add(f, "a")
	for v := 1.0; v < 4; v++ {
		page(f, a, t0, x("1", v), x("2", v))
	}
	st := stage(a, x("1", 100), x("2", 100))
	last := 3.0
	for pages := range 5 { // whose memory takes turns
		if got, want := f.GapFrom(st, a), (Gap{Rise: 2 * (100 - last)}); got != want {
			t.Errorf("after %v: %+v, want %+v", last, got, want)
		}
		for range pages {
			last++
			page(f, a, t0, x("1", last), x("2", last))
		}
	}
}

// A page that was found to rise from the last one is not held against it once more, but what is no count in it is found, and
// a fall below pages that came meanwhile.
func TestRisenPageIsLookedAt(t *testing.T) {
	for _, bad := range []float64{math.NaN(), math.Inf(1)} {
		f := New(NewOptions())
		a := add(f, "a")
		page(f, a, t0, x("1", 1), x("2", 1))
		page(f, a, t0, x("1", 2), x("2", 2))
		st := stage(a, x("1", 3), x("2", bad))
		f.GapFrom(st, a)
		if got := f.Commit(st, t0).BadValues; got != 1 {
			t.Errorf("%d bad values of %v", got, bad)
		}
	}
	for i := range 12 {
		pages, again := i/2, i%2 == 1
		f := New(NewOptions())
		a := add(f, "a")
		for v := 1.0; v < 4; v++ {
			page(f, a, t0, x("1", v), x("2", v))
		}
		st := stage(a, x("1", 100), x("2", 100))
		if f.GapFrom(st, a); pages == 0 && !st.rose() {
			t.Error("it does not rise")
		}
		for range pages { // whose memory takes turns
			page(f, a, t0, x("1", 200), x("2", 200))
		}
		if again {
			f.GapFrom(st, a)
		}
		if got, want := f.Commit(st, t0).Falls, 2*min(pages, 1); got != want {
			t.Errorf("after %d pages %d falls, want %d", pages, got, want)
		}
	}
}

// Many steps at once are the same as one after another, up to the first fall.
func TestGapSteps(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	fell, rose := 0, 0
	for range 20_000 {
		n := r.IntN(20)
		had, values := make([]float64, n), make([]float64, n)
		for i := range had {
			had[i], values[i] = float64(r.IntN(100)), float64(100+r.IntN(100))
			if r.IntN(60) == 0 {
				values[i] = []float64{0, math.NaN(), math.Inf(1), math.Inf(-1), had[i]}[r.IntN(5)]
			}
		}
		var got, want Gap
		got.steps(had, values)
		for i := range had {
			if want.step(values[i] - had[i]); want.Fell {
				break
			}
		}
		if got.Fell {
			fell++
		} else {
			rose++
		}
		if got.Fell != want.Fell || !got.Fell && (got.Rise != want.Rise || got.odd != want.odd) {
			t.Fatalf("%v after %v: %+v, want %+v", values, had, got, want)
		}
	}
	if fell < 1000 || rose < 1000 {
		t.Errorf("%d fell, %d rose", fell, rose)
	}
}
