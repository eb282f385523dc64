package exposition

import (
	"errors"
	"strings"
	"testing"
)

// readRelabeled reads a page of which the table knows nothing.
func readRelabeled(format Format, limits Limits, relabel RelabelFunc, body string) (*collector, error) {
	c := newCollector()
	p := NewPage(format, NewTable(100), c, limits, relabel)
	_, err := p.Write([]byte(body))
	return c, err
}

// Limits are for what relabeling has left, as Prometheus has them.
func TestLimitsComeAfterRelabeling(t *testing.T) {
	cut := func(name string, labels Labels) (string, Labels, bool) { return name, labels[:1], name != "dropped" }
	limits := Limits{Labels: 1, LabelValueLength: 8, LabelNameLength: 8}
	if _, err := readRelabeled(Text, limits, cut, "x{a=\"1\",long_label=\"long value\"} 1\ndropped{a=\"long value\"} 1\n"); err != nil {
		t.Errorf("what relabeling takes away counts: %v", err)
	}
	double := func(name string, labels Labels) (string, Labels, bool) {
		return name, append(labels, Label{"z", "z"}), true
	}
	_, err := readRelabeled(Text, limits, double, "x{a=\"1\"} 1\n")
	var limit *LimitError
	if !errors.As(err, &limit) || limit.Key != "label_limit" {
		t.Errorf("two labels after relabeling: %v", err)
	}
}

// A metric that relabeling renames keeps its start time.
func TestRenamedStartTimes(t *testing.T) {
	rename := func(name string, labels Labels) (string, Labels, bool) { return "my_" + name, labels, true }
	f := func(format Format, body string, want ...string) {
		t.Helper()
		c, err := readRelabeled(format, Limits{}, rename, body)
		if got := strings.Join(c.lines, "|"); err != nil || got != strings.Join(want, "|") {
			t.Errorf("%v: %s\nwant: %s", err, got, strings.Join(want, "|"))
		}
	}
	f(OpenMetrics, "# TYPE x counter\nx_total 1\nx_created 5\n# EOF\n", "my_x_total counter = 1", "my_x_total counter created = 5")
	f(OpenMetrics, "# TYPE h histogram\nh_count 1\nh_created 5\n# EOF\n", "my_h histogram count = 1", "my_h histogram created = 5")
	f(Text, "# TYPE x_total counter\nx_total 1\n# TYPE x_created gauge\nx_created 5\n", "my_x_total counter = 1", "my_x_total counter created = 5")
	f(Text, "# TYPE x counter\nx 1\n# TYPE x_created gauge\nx_created 5\n", "my_x counter = 1", "my_x counter created = 5")
}

// A bucket that is dropped needs no bound, and one that loses it to relabeling is no bucket any more.
func TestRelabeledBounds(t *testing.T) {
	drop := func(name string, labels Labels) (string, Labels, bool) { return name, labels, false }
	if _, err := readRelabeled(Text, Limits{}, drop, "# TYPE h histogram\nh_bucket 1\n"); err != nil {
		t.Error(err)
	}
	bare := func(name string, _ Labels) (string, Labels, bool) { return name, nil, true }
	c, err := readRelabeled(Text, Limits{}, bare, "# TYPE h histogram\nh_bucket{le=\"1\"} 1\n")
	if got := strings.Join(c.lines, "|"); err != nil || got != "h_bucket unknown = 1" {
		t.Errorf("%v: %s", err, got)
	}
}

// A family whose lines are torn apart, here by another one, tells its HELP all the same, and once.
func TestMetaOfTornFamily(t *testing.T) {
	c := newCollector()
	page := "# HELP h Torn.\n# TYPE h histogram\n# HELP g Other.\n# TYPE g gauge\ng 1\nh_sum 2\nh_count 2\ng{a=\"b\"} 1\n"
	if err := readPage(Text, NewTable(100), c, page, true); err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(c.metas, "|"); got != `g gauge "Other." ""|h histogram "Torn." ""` {
		t.Error(got)
	}
}

func TestCloseTwice(t *testing.T) {
	c := newCollector()
	p := NewPage(Text, NewTable(100), c, Limits{}, nil)
	if _, err := p.Write([]byte("x 1")); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(p.Close(true), p.Close(true)); err != nil || p.Samples() != 1 || len(c.lines) != 1 {
		t.Errorf("%v: %q", err, c.lines)
	}
}
