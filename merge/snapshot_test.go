package merge

import (
	"math"
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
