package federator

import (
	"fmt"
	"strconv"
	"testing"

	"github.com/fedscrape/fedscrape/discovery"
)

// TestSharedPortRecovers trusts the one process that is left, and counts nothing twice. Where it is not the one that was
// counted before, its counts so far are its base.
func TestSharedPortRecovers(t *testing.T) {
	f := func(starts [2]float64, last int, another bool) {
		t.Run(fmt.Sprint("of ", starts, " process ", last, " is left"), func(t *testing.T) {
			inWorld(t, nil, func(w *world) {
				w.register("w1", "a:1")
				w.register("w2", "good:1")
				w.tell()
				list := []*process{{count: 500, start: starts[0]}, {count: 400, start: starts[1]}}
				w.shared(list, 20, func(round int) int { return round % 2 }, slowly)
				w.wantShared("1")
				w.shared(list, calmAnswers-2-last, func(int) int { return last }, slowly)
				w.wantShared("1")
				recovers(w, list, last, another)
			})
		})
	}
	f([2]float64{100, 200}, 0, true)
	f([2]float64{100, 200}, 1, false)
	f([2]float64{0, 0}, 0, true)
	f([2]float64{0, 0}, 1, false)
	f([2]float64{100, 100}, 0, true)
}

// recovers lets the process answer that is left until it is trusted, and goes on from there. Each look is a round.
func recovers(w *world, list []*process, last int, another bool) {
	w.t.Helper()
	before, began, replaced := w.look()
	stepped := w.logged("the wall clock was set")
	for rounds := 0; w.states() != "1:up 2:up"; rounds++ {
		if rounds > 3 {
			w.t.Fatal("it is not trusted")
		}
		list[last].count++
		w.at("a:1", list[last].answer())
		total, b, r := w.look()
		if another && (total != before || b-began > 1 || b-began != r-replaced) {
			w.t.Errorf("%v after %v, %v began, %v were replaced", total, before, b-began, r-replaced)
		}
		if before = total; w.states() == "1:up 2:up" && (b > began) != another {
			w.t.Errorf("%v began", b-began)
		}
	}
	if n := len(w.federator.all()[0].fold.Incarnations()); n != 2 {
		w.t.Errorf("%d are counted as there", n)
	}
	step := func(p *process, counts bool) {
		w.t.Helper()
		p.count += 7
		w.at("a:1", p.answer())
		got := w.total()
		if want := before + map[bool]float64{true: 7}[counts]; got != want {
			w.t.Errorf("%v after %v, want %v", got, before, want)
		}
		before = got
	}
	step(list[last], true)
	if n := w.logged("the wall clock was set"); n != stepped {
		w.t.Errorf("the clock was set %d times", n-stepped)
	}
	if list[0].start != list[1].start {
		step(list[1-last], false) // it comes back once more
		list[last].count -= 7
		step(list[last], false)
		step(list[last], true)
	}
}

// look gives x_total, and how many workers began and were replaced, of one page.
func (w *world) look() (total, began, replaced float64) {
	w.t.Helper()
	page, err := w.gather()
	if err != nil {
		w.t.Fatal(err)
	}
	number := func(series string) (v float64) {
		v, _ = strconv.ParseFloat(find(page, series), 64)
		return v
	}
	return number("x_total"), number("fedscrape_workers_started_total"), number("fedscrape_workers_departed_total{reason=replaced}")
}

// TestSharedPortOfSigned has processes of one port sign with the worker's own ID, as forks of one process do, or with any where
// discovery knows no ID. Their start times tell.
func TestSharedPortOfSigned(t *testing.T) {
	for name, ids := range map[string][]string{"the worker's": {"w1", "w1"}, "of nobody known": {"p", "q"}, "one of them not": {"w1", ""}} {
		for _, last := range []int{0, 1} {
			t.Run(name, func(t *testing.T) {
				inWorld(t, nil, func(w *world) {
					w.register("w1", "a:1", func(d *discovery.Worker) {
						if ids[0] == "p" {
							d.ServiceID = ""
						}
					})
					w.register("w2", "good:1")
					w.tell()
					list := []*process{{count: 500, start: 100, id: ids[0]}, {count: 400, start: 200, id: ids[1]}}
					w.shared(list, 20, func(round int) int { return round % 2 }, slowly)
					w.wantShared("1")
					if w.logged("the start times 200.00 and 100.00 alternate") == 0 {
						t.Error(w.log)
					}
					w.shared(list, calmAnswers-2-last, func(int) int { return last }, slowly)
					recovers(w, list, last, last == 0)
				})
			})
		}
	}
}
