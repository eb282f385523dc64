package merge

import "testing"

// A line whose value is refused did not count: neither does its exemplar, whichever lines were left out before it.
func TestExemplarsOfRefusedValues(t *testing.T) {
	page := func(refused, v string) string {
		return "# TYPE c counter\nc_total{k=\"0\"} 1\nc_total{k=\"0\"} 2\nc_total{k=\"1\"} " + refused + " # {c=\"" + v + "\"} 1 " + v +
			"\nc_total{k=\"2\"} 1 # {d=\"" + v + "\"} 1 " + v +
			"\n# TYPE h histogram\nh_bucket{le=\"1\"} " + refused + " # {h=\"" + v + "\"} 1 " + v + "\nh_bucket{le=\"+Inf\"} 9\nh_count 9"
	}
	for _, refused := range []string{"NaN", "-1", "+Inf"} {
		t.Run(refused, func(t *testing.T) {
			s := newScene(t)
			a := s.add("a")
			s.page(a, page(refused, "1")) // there is no last good value: these lines are not there at all
			s.want(`c_total{k="2"} 1 # {d="1"} 1 1`)
			s.page(a, page("3", "2"))
			s.want(`c_total{k="1"} 3 # {c="2"} 1 2`, `c_total{k="2"} 1 # {d="2"} 1 2`, `h_bucket{le="1.0"} 3 # {h="2"} 1 2`)
			s.page(a, page(refused, "3"))
			s.want(`c_total{k="1"} 3 # {c="2"} 1 2`, `c_total{k="2"} 1 # {d="3"} 1 3`, `h_bucket{le="1.0"} 3 # {h="2"} 1 2`)
			s.page(a, page("4", "4"))
			s.want(`c_total{k="1"} 4 # {c="4"} 1 4`, `c_total{k="2"} 1 # {d="4"} 1 4`, `h_bucket{le="1.0"} 4 # {h="4"} 1 4`)
		})
	}
}
