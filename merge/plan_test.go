package merge

import (
	"testing"

	"github.com/fedscrape/fedscrape/exposition"
)

// A start time is withdrawn with the first page that comes without one, though it has the lines that it had.
func TestStartThatIsNoTimeAnyMore(t *testing.T) {
	created := id(exposition.Counter, "x_total", exposition.PartCreated, 0)
	f := New(NewOptions())
	a := add(f, "a")
	page(f, a, t0, sample{id: counter("x_total"), v: 1}, sample{id: created, v: 100})
	wantShow(t, f, t0, "x_total 1 @100")
	page(f, a, t0, sample{id: counter("x_total"), v: 2}, sample{id: created, v: 0})
	wantShow(t, f, t0, "x_total 2")
	page(f, a, t0, sample{id: counter("x_total"), v: 3}, sample{id: created, v: 100})
	wantShow(t, f, t0, "x_total 3")
}
