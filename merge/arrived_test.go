package merge

import "testing"

// What pages say is added up when they come, and not once more with the page; what came twice, or whose worker left, is not
// in it.
func TestArrivedPagesAreAddedOnce(t *testing.T) {
	f := New(NewOptions())
	incs := []*Incarnation{add(f, "a"), add(f, "b"), add(f, "c")}
	round := func(v float64, of ...*Incarnation) {
		for _, inc := range of {
			page(f, inc, t0, x("1", v), x("2", 1))
		}
	}
	show := func(arrived int, want string) {
		t.Helper()
		if f.arrivedHolds() != (arrived > 0) || arrived > 0 && f.arrived.pages != arrived {
			t.Errorf("%d pages have arrived, want %d", f.arrived.pages, arrived)
		}
		wantShow(t, f, t0, want)
	}
	round(1, incs...)
	round(2, incs...)
	f.Families(t0)
	round(3, incs...)
	show(3, "x_total k=1 9\nx_total k=2 3")
	show(3, "x_total k=1 9\nx_total k=2 3")
	round(4, incs...)
	show(3, "x_total k=1 12\nx_total k=2 3")
	round(5, incs[0])
	show(1, "x_total k=1 13\nx_total k=2 3")
	round(6, incs[0], incs[1])
	round(7, incs[0], incs[2])
	show(2, "x_total k=1 20\nx_total k=2 3")
	round(8, incs...)
	page(f, incs[1], t0, x("1", 9), x("2", 1), x("3", 1)) // other lines
	show(0, "x_total k=1 25\nx_total k=2 3\nx_total k=3 1")
	round(10, incs[0], incs[2])
	f.Depart(incs[2], t0, true)
	show(0, "x_total k=1 29\nx_total k=2 3\nx_total k=3 1")

	meaning := f.meaning // one that comes and has what others have changes nothing for them, nor does one that goes
	d := add(f, "d")
	round(11, incs[0], incs[1], d)
	show(3, "x_total k=1 43\nx_total k=2 4\nx_total k=3 1")
	f.Depart(incs[0], t0, false)
	round(12, incs[1], d)
	show(2, "x_total k=1 45\nx_total k=2 4\nx_total k=3 1")
	round(13, incs[1], d)
	f.Depart(d, t0, false)
	f.Return(d)
	show(0, "x_total k=1 47\nx_total k=2 4\nx_total k=3 1")
	if f.meaning != meaning {
		t.Error("what lines are was derived anew")
	}
}
