package merge

import (
	"math"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/fedscrape/fedscrape/exposition"
)

// forget is what the naive fold makes of it: nothing was gained before.
func (s *schedule) forget(*rapid.T) {
	s.f.Forget(s.now)
	s.model, s.shown = naive{}, nil
	for _, p := range s.all {
		p.base = p.base || p.silent
		p.certain = p.certain || !p.present // cannot return
	}
}

// TestForgetLaws forgets in the middle of the random schedules of TestMergeLaws.
func TestForgetLaws(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		opts := NewOptions()
		opts.DepartedLimit, opts.SeriesRetention = rapid.IntRange(0, 4).Draw(t, "limit"), 1000*time.Hour
		s := &schedule{f: New(opts), now: t0}
		actions := s.actions()
		actions["forget"] = s.forget
		t.Repeat(actions)
		checkExplained(t, s.f, s.now)
	})
}

func TestForget(t *testing.T) {
	f := New(lawOptions())
	gone, kept, stays, silent := add(f, "gone"), add(f, "kept"), add(f, "stays"), add(f, "silent")
	all := func(v float64) []sample {
		p := []sample{{id: counter("c_total"), v: v}, {id: gaugeID("g_sum"), v: v}, {id: gaugeID("g_max"), v: v}, {id: gaugeID("g_all"), v: v}}
		return append(p, hist("h", -v, 1, v, math.Inf(1), 2*v)...)
	}
	page(f, gone, t0, append(all(100), sample{id: counter("only_total"), v: 1}, sample{id: gaugeID("g_mostrecent"), v: 1})...)
	page(f, kept, t0, append(all(50), hist("h", 0, 0.5, 1, 2, 3, math.Inf(1), 4)...)...)
	page(f, stays, t0, all(7)...)
	page(f, stays, t0, all(5)...)
	f.Depart(gone, t0, true)
	f.Depart(kept, t0, false)
	f.Forget(t0)
	want := "c_total 0\ng_all worker_id=stays 5\ng_max 5\ng_sum 5\nh 1:0 +Inf:0 sum:0 count:0\n"
	if got := show(f, t0); got != want {
		t.Errorf("after it:\n%s\nwant\n%s", got, want)
	}
	if f.Return(kept) || f.Kept() != 0 || f.Series() != 5 {
		t.Errorf("%d are kept, %d series", f.Kept(), f.Series())
	}
	page(f, silent, t0, sample{id: counter("c_total"), v: 1000}) // was there before: who knows since when
	page(f, stays, t0, all(8)...)
	page(f, add(f, "new"), t0, sample{id: counter("c_total"), v: 2}, sample{id: counter("only_total"), v: 4})
	if got := show(f, t0); !strings.Contains(got, "c_total 5\n") || !strings.Contains(got, "only_total 4\n") || !strings.Contains(got, "h 1:3 +Inf:6 sum:-3 count:6\n") {
		t.Errorf("and then:\n%s", got)
	}
}

// TestForgetStart moves a start time to where the counter began anew. Left where it was, it would say that nothing did.
func TestForgetStart(t *testing.T) {
	f := New(NewOptions())
	a, b := add(f, "a"), add(f, "b")
	p := func(inc *Incarnation, v, created float64, with bool) {
		s := []sample{{id: counter("c_total"), v: v}, {id: counter("part_total"), v: v}, {id: id(exposition.Counter, "c_total", exposition.PartCreated, 0), v: created}}
		if with {
			s = append(s, sample{id: id(exposition.Counter, "part_total", exposition.PartCreated, 0), v: created})
		}
		page(f, inc, t0, s...)
	}
	p(a, 5, 100, true)
	p(b, 5, 200, false)
	if got, want := show(f, t0), "c_total 10 @100\npart_total 10\n"; got != want {
		t.Fatalf("before: %s", got)
	}
	f.Forget(t0)
	if got, want := show(f, t0), "c_total 0 @1.8e+09\npart_total 0\n"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	p(a, 6, 100, true)
	if got, want := show(f, t0.Add(time.Hour)), "c_total 1 @1.8e+09\npart_total 1\n"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// TestForgetShown holds no value back because of what was shown before.
func TestForgetShown(t *testing.T) {
	f := New(NewOptions())
	inc := add(f, "a")
	value := func(v float64) string {
		page(f, inc, t0, sample{id: counter("c_total"), v: v})
		return show(f, t0)
	}
	value(4e9)
	f.Forget(t0)
	if got, want := value(8e9-1), "c_total 3.999999999e+09\n"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
