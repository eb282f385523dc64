package merge

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/common/model"
	"pgregory.net/rapid"

	"github.com/fedscrape/fedscrape/exposition"
)

// scene is a fold whose workers are read as the federator reads them: in OpenMetrics, by one table.
type scene struct {
	t     fataler
	f     *Fold
	table *exposition.Table
	now   time.Time
}

// fataler is a testing.TB, or one of rapid.
type fataler interface {
	Helper()
	Fatal(args ...any)
	Fatalf(format string, args ...any)
}

func newScene(t fataler) *scene {
	return &scene{t, New(NewOptions()), exposition.NewTable(1 << 20), t0}
}

func (s *scene) add(name string) *Incarnation { return add(s.f, name) }

// stage reads a page; # EOF is added.
func (s *scene) stage(inc *Incarnation, body string) *Stage {
	s.t.Helper()
	st := inc.Stage()
	p := exposition.NewPage(exposition.OpenMetrics, s.table, st, exposition.Limits{}, nil)
	p.Expect(st.Expected(), st)
	_, err := p.Write([]byte(strings.TrimLeft(strings.TrimRight(body, "\n")+"\n# EOF\n", "\n")))
	if err == nil {
		err = p.Close(true)
	}
	if err != nil {
		s.t.Fatal(err)
	}
	st.Read(p.Lines())
	return st
}

func (s *scene) page(inc *Incarnation, body string) {
	s.t.Helper()
	s.f.SetUp(inc, true)
	s.f.Commit(s.stage(inc, body), s.now)
}

// counts is a page of one counter whose exemplar is this.
func counts(exemplar string) string { return "# TYPE c counter\nc_total 1 # " + exemplar }

// merged gives the lines of the merged page that have an exemplar.
func (s *scene) merged() string {
	var b strings.Builder
	if err := exposition.EncodeFilled(&b, exposition.Encoding{Format: exposition.OpenMetrics, Version: "1.0.0", Escaping: model.NoEscaping}, s.f.Render(s.now)); err != nil {
		s.t.Fatal(err)
	}
	return strings.Join(slices.DeleteFunc(strings.Split(b.String(), "\n"), func(line string) bool { return !strings.Contains(line, " # {") }), "\n")
}

func (s *scene) want(lines ...string) {
	s.t.Helper()
	if got := s.merged(); got != strings.Join(lines, "\n") {
		s.t.Fatalf("merged:\n%s\nwant:\n%s", got, strings.Join(lines, "\n"))
	}
}

// one is the merged page's exemplar, of counts.
func (s *scene) one(want string) {
	s.t.Helper()
	got := s.merged()
	if _, got, _ = strings.Cut(got, " # "); got != want {
		s.t.Fatalf("the exemplar is %q, want %q", got, want)
	}
}

const allExemplars = `# TYPE c counter
c_total{a="b"} 1 # {span_id="1",trace_id="\\\"\n"} 0.5 1520879607.789
# TYPE h histogram
h_bucket{le="1.0"} 1 # {} 0.25
h_bucket{le="+Inf"} 2 # {trace_id="x"} 7 -1
h_sum 1
h_count 2
# TYPE gh gaugehistogram
gh_bucket{le="+Inf"} 2 # {trace_id="g"} 7 5
gh_gsum 1
gh_gcount 2
# TYPE t counter
t_total 0`

// The identity law, over pages that are taken the long way and the quick one.
func TestExemplarsPassThrough(t *testing.T) {
	s := newScene(t)
	a := s.add("a")
	for _, trace := range []string{"x", "x", "y", "z"} {
		body := strings.ReplaceAll(allExemplars, `"x"`, `"`+trace+`"`)
		s.page(a, body)
		s.want(`c_total{a="b"} 1 # {span_id="1",trace_id="\\\"\n"} 0.5 1.520879607789e+09`, `gh_bucket{le="+Inf"} 2 # {trace_id="g"} 7 5`,
			`h_bucket{le="1.0"} 1 # {} 0.25`, `h_bucket{le="+Inf"} 2 # {trace_id="`+trace+`"} 7 -1`)
	}
	if !a.order.quick {
		t.Error("the last pages were not taken the quick way")
	}
	// What is shown again is not made again.
	before := s.f.Families(s.now)
	if after := s.f.Families(s.now); before[0].Series[0].Exemplar != after[0].Series[0].Exemplar {
		t.Error("an exemplar that has not changed is another one")
	}
	s.page(a, strings.ReplaceAll(allExemplars, " 0.5 ", " 0.75 "))
	if x := before[0].Series[0].Exemplar; x.Value != 0.5 || s.f.Families(s.now)[0].Series[0].Exemplar.Value != 0.75 {
		t.Errorf("a page that was handed out has changed: %v", x)
	}
	// Lines that may not have an exemplar.
	s.page(a, "# TYPE g gauge\ng 1 # {} 1\n# TYPE u unknown\nu_total 1 # {} 1\n# TYPE s summary\ns_count 1 # {} 1\n# TYPE h histogram\nh_bucket{le=\"1\"} 1\nh_bucket{le=\"+Inf\"} 2\nh_sum 1 # {a=\"s\"} 1\nh_count 2 # {a=\"c\"} 1 99")
	s.want(`c_total{a="b"} 1 # {span_id="1",trace_id="\\\"\n"} 0.75 1.520879607789e+09`, `h_bucket{le="1.0"} 1 # {} 0.25`, `h_bucket{le="+Inf"} 2 # {trace_id="x"} 7 -1`)
	if n := len(slices.DeleteFunc(slices.Clone(s.f.exemplars), func(e *exemplar) bool { return e == nil })); n != 4 {
		t.Errorf("%d exemplars are kept, want 4", n)
	}
}

func TestNewestExemplarWins(t *testing.T) {
	f := func(want string, exemplars ...string) {
		t.Helper()
		for _, list := range [][]string{exemplars, {exemplars[1], exemplars[0]}} {
			s := newScene(t)
			for _, x := range list { // each worker's is the same in both orders
				s.page(s.add(x), counts(x))
			}
			s.one(want)
			for _, x := range list { // and again: they do not take turns
				s.page(s.f.Incarnations()[slices.Index(list, x)], counts(x))
				s.one(want)
			}
		}
	}
	f(`{a="2"} 1 20`, `{a="1"} 9 10`, `{a="2"} 1 20`)
	f(`{a="1"} 9 20`, `{a="1"} 9 20`, `{a="2"} 1 20`) // the larger value
	f(`{a="2"} 1 20`, `{a="1"} 1 20`, `{a="2"} 1 20`) // the labels
	f(`{a="1"} 1 -5`, `{a="1"} 1 -5`, `{a="2"} 1`)    // a timestamp before none
	f(`{a="2"} 1`, `{a="1"} 9`, `{a="2"} 1`)          // the newest worker's: born at once, so by key
	f(`{a="1"} 1 5`, `{a="1"} 1 5`, `{a="2"} 1 1800000000000`)
	f(`{a="2"} 1 1800000600`, `{a="1"} 1 5`, `{a="2"} 1 1800000600`) // ten minutes ahead
	f(`{a="1"} 1 5`, `{a="1"} 1 5`, `{a="2"} 1 1800000601`)
}

// Without a timestamp it is the newest worker's, by birth, until it is gone.
func TestExemplarsWithoutTimestamp(t *testing.T) {
	s := newScene(t)
	young, old := s.f.Add(Spec{Key: "1", Born: t0.Add(time.Second)}), s.f.Add(Spec{Key: "2", Born: t0})
	s.page(young, counts(`{a="young"} 1`))
	s.page(old, counts(`{a="old"} 2`))
	s.one(`{a="young"} 1`)
	s.page(young, counts(`{a="younger"} 0`))
	s.one(`{a="younger"} 0`)
	s.page(old, counts(`{a="old"} 3`))
	s.one(`{a="younger"} 0`)
	s.f.Depart(young, s.now, false)
	s.one(`{a="younger"} 0`)
	s.page(old, counts(`{a="old"} 3`))
	s.one(`{a="old"} 3`)
	s.f.Return(young)
	s.page(young, counts(`{a="younger"} 0`))
	s.one(`{a="younger"} 0`)
	s.f.Depart(young, s.now, false)
	s.f.Return(young)
	s.page(young, counts(`{a="younger"} 0`)) // the same as before
	s.page(old, counts(`{a="old"} 3`))
	s.one(`{a="younger"} 0`)
	s.f.Remove(young)
	s.page(old, counts(`{a="old"} 3`))
	s.one(`{a="old"} 3`)
}

// What a worker shows takes the place of what it has shown, whatever its clock says.
func TestExemplarOfTheSameWorker(t *testing.T) {
	s := newScene(t)
	a, b := s.add("a"), s.add("b")
	for _, x := range []string{`{a="1"} 1 20`, `{a="2"} 1 10`, `{a="3"} 1`, `{a="4"} 1 1800000000000`, `{a="5"} 1 30`} {
		s.page(a, counts(x))
		s.one(x)
	}
	s.page(b, counts(`{b="1"} 1 29`))
	s.one(`{a="5"} 1 30`)
	s.page(a, "# TYPE c counter\nc_total 2") // none does not take its place
	s.page(a, "# TYPE d counter\nd_total 2")
	s.one(`{a="5"} 1 30`)
	s.page(a, "# TYPE c counter\nc_total 1") // it begins anew: the merged series does not
	s.one(`{a="5"} 1 30`)
	s.page(a, counts(`{a="6"} 1 28`))
	s.page(b, counts(`{b="1"} 1 29`))
	s.one(`{b="1"} 1 29`)
}

func TestExemplarsOfTheGone(t *testing.T) {
	for _, certain := range []bool{false, true} {
		s := newScene(t)
		a, b := s.add("a"), s.add("b")
		s.page(a, counts(`{a="1"} 1 20`))
		s.page(b, counts(`{b="1"} 1 10`))
		s.f.Depart(a, s.now, certain)
		s.page(b, counts(`{b="1"} 1 10`))
		s.one(`{a="1"} 1 20`)
		s.page(b, counts(`{b="2"} 1 21`))
		s.one(`{b="2"} 1 21`)
		s.f.Depart(b, s.now, certain)
		s.one(`{b="2"} 1 21`)
		if x := s.f.exemplars[0]; x.owner != nil {
			t.Error("what is gone is kept in memory")
		}
		s.now = s.now.Add(25 * time.Hour)
		s.one("")
		s.page(s.add("c"), "# TYPE c counter\nc_total 1")
		s.one("")
	}
}

// A page that is not committed leaves nothing, and its room is used for another page.
func TestExemplarsOfPagesRefused(t *testing.T) {
	s := newScene(t)
	a := s.add("a")
	s.page(a, counts(`{a="1"} 1 20`))
	s.stage(a, counts(`{a="2"} 1 30`)).Release()
	s.page(a, "# TYPE c counter\nc_total 1")
	s.one(`{a="1"} 1 20`)
}

// What a page's exemplars take is bounded.
func TestExemplarsAreBounded(t *testing.T) {
	st := newScene(t).add("a").Stage()
	for i := range mostText/1000 + 10 {
		st.Exemplar(i, exposition.RawExemplar{Labels: make([]byte, 1000)})
	}
	if n := len(st.exemplars.text); n > mostText+1000 {
		t.Errorf("%d bytes", n)
	}
	st.exemplars = nil // it is too much to be used again
}

// Exemplars are in memory alone: after a restart they come with the next page.
func TestExemplarsAfterARestart(t *testing.T) {
	s := newScene(t)
	a := s.add("a")
	s.page(a, counts(`{a="1"} 1 20`))
	s.one(`{a="1"} 1 20`)
	var d disk
	d.save(s.f, s.now, false)
	d.page(s.f)
	s.f, s.table = restored(t, NewOptions(), &d, s.now), exposition.NewTable(1<<20)
	s.one("")
	s.page(byUID(s.f, a.UID()), counts(`{a="1"} 1 20`))
	s.one(`{a="1"} 1 20`)
}

func TestExemplarsForgotten(t *testing.T) {
	s := newScene(t)
	a := s.add("a")
	s.page(a, counts(`{a="1"} 1 20`))
	s.f.Forget(s.now)
	s.one("")
	s.page(a, counts(`{a="2"} 1 10`))
	s.one(`{a="2"} 1 10`)
}

// The exemplars of a type go with it.
func TestExemplarsOfTypesThatDiffer(t *testing.T) {
	s := newScene(t)
	a, b := s.f.Add(Spec{Key: "a", Born: t0}), s.f.Add(Spec{Key: "b", Born: t0.Add(1)})
	histogram := "# TYPE c_total histogram\nc_total_bucket{le=\"+Inf\"} 1 # {b=\"1\"} 1 30\nc_total_count 1"
	s.page(a, counts(`{a="1"} 1 20`))
	s.page(b, histogram)
	s.want(`c_total 1 # {a="1"} 1 20`)
	s.f.Depart(a, s.now, false)
	s.want() // what was left out until now was for nothing
	s.page(b, histogram)
	s.want(`c_total_bucket{le="+Inf"} 1 # {b="1"} 1 30`)
	c := s.f.Add(Spec{Key: "c", Born: t0.Add(-1)})
	s.page(c, "# TYPE c counter\nc_total 1")
	s.want()
}

// An untyped page counts where another worker says the type, its exemplars too.
func TestExemplarsOfUntypedPages(t *testing.T) {
	s := newScene(t)
	typed, untyped := s.add("typed"), s.add("untyped")
	s.page(typed, "# TYPE c counter\nc_total 1\n# TYPE h histogram\nh_bucket{le=\"1\"} 1\nh_bucket{le=\"+Inf\"} 1\nh_count 1")
	for _, v := range []string{"1", "2"} {
		s.page(untyped, "c_total 1 # {a=\""+v+"\"} 1\nh_bucket{le=\"1\"} 1 # {b=\""+v+"\"} 1\nh_bucket{le=\"+Inf\"} 1\nh_count 1")
		s.want(`c_total 2 # {a="`+v+`"} 1`, `h_bucket{le="1.0"} 2 # {b="`+v+`"} 1`)
	}
}

// The first of two lines counts, and its exemplar; the other's does not, page after page.
func TestExemplarsOfDuplicates(t *testing.T) {
	s := newScene(t)
	a := s.add("a")
	for i := range 4 {
		v := strconv.Itoa(i)
		s.page(a, "# TYPE c counter\nc_total{k=\"0\"} 1\nc_total{k=\"1\"} 1 # {first=\""+v+"\"} 1\nc_total{k=\"1\"} 1 # {second=\""+v+"\"} 1 9\n"+
			"c_total{k=\"2\"} 1\nc_total{k=\"2\"} 1 # {second=\""+v+"\"} 1\nc_total{k=\"3\"} 1 # {third=\""+v+"\"} 1")
		s.want(`c_total{k="1"} 1 # {first="`+v+`"} 1`, `c_total{k="3"} 1 # {third="`+v+`"} 1`)
	}
	if a.order.kept == nil || !a.order.quick {
		t.Error("the last pages were not taken the quick way")
	}
	// The quick way gives up after it has left lines out.
	s.page(a, "# TYPE c counter\nc_total{k=\"0\"} NaN\nc_total{k=\"1\"} 1\nc_total{k=\"1\"} 1 # {second=\"s\"} 1 9\nc_total{k=\"2\"} 1\nc_total{k=\"2\"} 1\nc_total{k=\"3\"} 1 # {third=\"last\"} 1")
	s.want(`c_total{k="1"} 1 # {first="3"} 1`, `c_total{k="3"} 1 # {third="last"} 1`)
}

// Compact frees slots, and what they had: another line that gets one has no exemplar.
func TestExemplarsOfFreedSlots(t *testing.T) {
	s := newScene(t)
	s.f.fewFreed = 1
	a := s.add("a")
	s.page(a, "# TYPE gh gaugehistogram\ngh_bucket{le=\"+Inf\"} 2 # {g=\"g\"} 7 5\ngh_gcount 2")
	s.page(a, "")
	if !s.f.Compact(s.now) {
		t.Fatal("nothing was let go")
	}
	s.table = exposition.NewTable(1 << 20)
	for range restPages {
		s.f.Families(s.now)
		s.f.Paged()
	}
	before := len(s.f.lines)
	s.page(a, "# TYPE c counter\nc_total{k=\"1\"} 1\nc_total{k=\"2\"} 1")
	if len(s.f.lines) != before {
		t.Fatalf("%d lines, had %d: no slot was used again", len(s.f.lines), before)
	}
	s.want()
}

// TestExemplarOrderDoesNotMatter folds the pages of some workers in two orders, some of them gone at the end.
func TestExemplarOrderDoesNotMatter(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		type shown struct {
			worker int
			body   string
		}
		n := rapid.IntRange(1, 4).Draw(rt, "workers")
		stamped := rapid.Bool().Draw(rt, "stamped") // of workers that change, clocks go on
		var pages []shown
		for i := range n {
			rounds, at := 1, 0
			if stamped {
				rounds = rapid.IntRange(1, 3).Draw(rt, "rounds")
			}
			for range rounds {
				var body strings.Builder
				body.WriteString("# TYPE c counter\n")
				at += rapid.IntRange(1, 3).Draw(rt, "later")
				for k := range 3 {
					fmt.Fprintf(&body, "c_total{k=\"%d\"} 1", k)
					if v := rapid.IntRange(0, 3).Draw(rt, "value"); stamped {
						fmt.Fprintf(&body, " # {w=\"%d\"} %d %d", i, v, at)
					} else if v > 0 {
						fmt.Fprintf(&body, " # {w=\"%d\"} %d%s", i, v, rapid.SampledFrom([]string{"", " 5", " 9"}).Draw(rt, "at"))
					}
					body.WriteString("\n")
				}
				pages = append(pages, shown{i, body.String()})
			}
		}
		gone := rapid.IntRange(0, n).Draw(rt, "gone")
		fold := func(order []int) string { // each worker's own pages stay in their order
			s, incs := newScene(t), make([]*Incarnation, n)
			next := map[int]int{}
			for _, at := range order {
				w := pages[at].worker
				if incs[w] == nil {
					incs[w] = s.add(strconv.Itoa(w))
				}
				first := slices.IndexFunc(pages, func(p shown) bool { return p.worker == w })
				s.page(incs[w], pages[first+next[w]].body)
				next[w]++
			}
			for w := range gone {
				s.f.Depart(incs[w], s.now, w%2 == 0)
			}
			return s.merged()
		}
		order := make([]int, len(pages))
		for i := range order {
			order[i] = i
		}
		want := fold(order)
		if got := fold(rapid.Permutation(order).Draw(rt, "order")); got != want {
			rt.Fatalf("another order gives\n%s\nwant\n%s\nof %v", got, want, pages)
		}
	})
}

// TestExemplarsCostNoAllocation: neither staging and taking them, nor showing what has not changed.
func TestExemplarsCostNoAllocation(t *testing.T) {
	measure := func(lines int, tail string) float64 {
		s := newScene(t)
		a := s.add("a")
		var b strings.Builder
		b.WriteString("# TYPE c counter\n")
		for i := range lines {
			fmt.Fprintf(&b, "c_total{k=\"%d\"} 1%s\n", i, tail)
		}
		round := func() {
			s.page(a, b.String())
			s.f.Render(s.now)
		}
		round()
		round()
		return testing.AllocsPerRun(20, round)
	}
	few, many := measure(10, " # {trace_id=\"abc\"} 1 5"), measure(1000, " # {trace_id=\"abc\"} 1 5")
	if many > few+20 { // a collection of garbage takes rooms away that are kept for the next page
		t.Errorf("10 exemplars allocate %v times, 1000 %v times", few, many)
	}
}
