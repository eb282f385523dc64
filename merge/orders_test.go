package merge

import (
	"math"
	"slices"
	"strconv"
	"testing"

	"pgregory.net/rapid"

	"github.com/fedscrape/fedscrape/exposition"
)

// sumOf draws values whose sums have no more than 106 bits, so that every order of adding gives the same: none is finer than 2^-60.
func sumOf(low, high float64) *rapid.Generator[float64] {
	return rapid.Map(rapid.Float64Range(low, high), func(v float64) float64 { return math.Ldexp(math.RoundToEven(math.Ldexp(v, 60)), -60) })
}

// lawPage draws a page with lines of every type; histograms have the bounds that one of lawBounds gives.
func lawPage(t *rapid.T, bounds [][]float64) []sample {
	var out []sample
	value := sumOf(0, 1e6)
	for _, key := range []string{"a", "b"} {
		if rapid.Bool().Draw(t, "has") {
			out = append(out, sample{id: counter("c_total", "k", key), v: value.Draw(t, "counter")})
			out = append(out, sample{id: id(exposition.Counter, "c_total", exposition.PartCreated, 0, "k", key), v: 1 + value.Draw(t, "created")})
			out = append(out, sample{id: id(exposition.Unknown, "u_total", exposition.PartValue, 0, "k", key), v: value.Draw(t, "unknown")})
			out = append(out, lawHist(t, "h"+key, rapid.SampledFrom(bounds).Draw(t, "bounds"))...)
			out = append(out, sample{id: id(exposition.Summary, "s", exposition.PartSum, 0, "k", key), v: value.Draw(t, "summary")})
			out = append(out, sample{id: id(exposition.Summary, "s", exposition.PartCount, 0, "k", key), v: 3})
		}
	}
	return append(out, lawLive(t, bounds)...)
}

func lawHist(t *rapid.T, name string, bounds []float64) []sample {
	var bc []float64
	n := 0.0
	for _, b := range append(slices.Clone(bounds), math.Inf(1)) {
		n += float64(rapid.IntRange(0, 9).Draw(t, "observed"))
		bc = append(bc, b, n)
	}
	return hist(name, sumOf(-1e3, 1e6).Draw(t, "sum"), bc...)
}

// lawLive are lines that end with their worker: gauges by every mode, info, state sets, gauge histograms.
func lawLive(t *rapid.T, bounds [][]float64) (out []sample) {
	for m := ModeAll; m < ModeOmit; m++ {
		if !rapid.Bool().Draw(t, "gauge") {
			continue
		}
		s := sample{id: gaugeID("g_" + m.String()), v: rapid.SampledFrom([]float64{-1, 0, 0.1, 3, math.Inf(1), math.Inf(-1), math.NaN()}).Draw(t, "value")}
		if isRecent(m) { // by timestamps that decide: of two that are equal the later to join is newer
			s.v = rapid.SampledFrom([]float64{1, 2, 3, 4}).Draw(t, "recent")
			s.ts = int64(s.v)
		}
		out = append(out, s)
	}
	state := float64(rapid.IntRange(0, 1).Draw(t, "state"))
	out = append(out, sample{id: id(exposition.StateSet, "st", exposition.PartValue, 0, "st", "on"), v: state},
		sample{id: id(exposition.StateSet, "st", exposition.PartValue, 0, "st", "off"), v: 1 - state},
		sample{id: id(exposition.Info, "b_info", exposition.PartValue, 0, "v", rapid.SampledFrom([]string{"1", "2"}).Draw(t, "version")), v: 1})
	for _, s := range lawHist(t, "gh", rapid.SampledFrom(bounds).Draw(t, "bounds")) {
		s.id.Type = exposition.GaugeHistogram
		out = append(out, s)
	}
	return out
}

func lawOptions() Options {
	opts := NewOptions()
	for m := ModeAll; m < ModeOmit; m++ {
		match, _ := NewRegexp("g_" + m.String())
		opts.GaugeModes = append(opts.GaugeModes, GaugeRule{match, m})
	}
	return opts
}

// TestOrderDoesNotMatter folds the same workers, some of them gone, in two orders.
func TestOrderDoesNotMatter(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 6).Draw(t, "workers")
		pages, gone, certain := make([][]sample, n), make([]bool, n), make([]bool, n)
		for i := range pages {
			pages[i], gone[i], certain[i] = lawPage(t, lawBounds), rapid.Bool().Draw(t, "gone"), rapid.Bool().Draw(t, "certain")
		}
		order := make([]int, n)
		for i := range order {
			order[i] = i
		}
		fold := func(order []int) string {
			f, incs := New(lawOptions()), make([]*Incarnation, n)
			for _, i := range order {
				inc := f.Add(Spec{Key: strconv.Itoa(i), WorkerID: strconv.Itoa(i), Born: t0})
				page(f, inc, t0, pages[i]...)
				incs[i] = inc
			}
			for _, i := range order {
				if gone[i] {
					f.Depart(incs[i], t0, certain[i])
				}
			}
			return show(f, t0)
		}
		want := fold(order)
		if got := fold(rapid.Permutation(order).Draw(t, "order")); got != want {
			t.Fatalf("another order gives\n%s\nwant\n%s", got, want)
		}
		slices.Reverse(order)
		if got := fold(order); got != want {
			t.Fatalf("reversed order gives\n%s\nwant\n%s", got, want)
		}
	})
}

// TestGroupingDoesNotMatter folds departed workers into the ledger, or keeps them apart: cumulative lines are the same.
func TestGroupingDoesNotMatter(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 6).Draw(t, "workers")
		kept, folded, mixed := New(NewOptions()), New(NewOptions()), New(NewOptions())
		for i := range n {
			p := slices.DeleteFunc(lawPage(t, lawBounds[:1]), func(s sample) bool { return !s.id.Type.Cumulative() && s.id.Family != "u_total" })
			certain := rapid.Bool().Draw(t, "certain")
			for f, how := range map[*Fold]string{kept: "kept", folded: "folded", mixed: "mixed"} {
				inc := add(f, strconv.Itoa(i))
				page(f, inc, t0, p...)
				if how != "kept" {
					f.Depart(inc, t0, how == "folded" || certain)
				}
			}
		}
		want := show(kept, t0)
		if a, b := show(folded, t0), show(mixed, t0); a != want || b != want {
			t.Fatalf("present:\n%s\nfolded:\n%s\nmixed:\n%s", want, a, b)
		}
	})
}

// TestIdentity passes a single live worker's page through: every sample, and no other.
func TestIdentity(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := lawPage(t, lawBounds)
		opts := lawOptions()
		opts.GaugeModes[0].Mode, opts.GaugeModes[1].Mode = ModeSum, ModeSum // all and liveall add the worker label, as they should
		f := New(opts)
		page(f, add(f, "a"), t0, p...)
		families := f.Families(t0)
		want := map[string]float64{}
		for _, s := range p {
			if s.id.Part == exposition.PartCreated {
				checkStart(t, families, s)
			} else {
				want[lawName(s.id)] = s.v
			}
		}
		got := flatten(families)
		for k, v := range want {
			if g, ok := got[k]; !ok || g != v && !(math.IsNaN(g) && math.IsNaN(v)) {
				t.Fatalf("%s is %v %v, want %v", k, g, ok, v)
			}
		}
		if len(got) != len(want) {
			t.Fatalf("%d samples in, %d out: %v", len(want), len(got), got)
		}
	})
}

// lawName is a line's name and labels as flatten writes them.
func lawName(id exposition.SeriesID) string {
	s := exposition.Series{Labels: id.Labels}
	switch id.Part {
	case exposition.PartBucket:
		s.Buckets = []exposition.Bucket{{UpperBound: id.Bound}}
	case exposition.PartSum:
		s.HasSum = true
	case exposition.PartCount:
		s.HasCount = true
	default:
	}
	for name := range flatten([]exposition.Family{{Name: id.Family, Series: []exposition.Series{s}}}) {
		return name
	}
	return ""
}

func checkStart(t *rapid.T, families []exposition.Family, s sample) {
	for _, fam := range families {
		for _, series := range fam.Series {
			if fam.Name == s.id.Family && slices.Equal(series.Labels, s.id.Labels) && series.Start != s.v {
				t.Fatalf("%v started at %v, want %v", s.id, series.Start, s.v)
			}
		}
	}
}

// TestAnyOrderOfLines: the lines of a page may stand in any order, whose histograms are not together or not in the order of their
// bounds, and it may be repeated: what falls is carried on as of pages in order.
func TestAnyOrderOfLines(t *testing.T) {
	inf := math.Inf(1)
	rapid.Check(t, func(t *rapid.T) {
		n := len(anyLines(nil, inf))
		order := rapid.Permutation(ints(n)).Draw(t, "order")
		if rapid.Bool().Draw(t, "nearly in order") {
			order = ints(n)
			i := rapid.IntRange(0, n-2).Draw(t, "one")
			order[i], order[i+1] = order[i+1], order[i]
		}
		odd, even := New(NewOptions()), New(NewOptions())
		a, b := add(odd, "a"), add(even, "a")
		for _, f := range []*Fold{odd, even} {
			other := add(f, "other")
			page(f, other, t0, anyLines([]int{1, 2, 3, 4, 5, 6, 7}, inf)...)
		}
		for range rapid.IntRange(2, 6).Draw(t, "pages") {
			lines := anyLines(rapid.SliceOfN(rapid.IntRange(0, 5), 7, 7).Draw(t, "numbers"), inf)
			page(even, b, t0, lines...)
			moved := make([]sample, n)
			for i, at := range order {
				moved[i] = lines[at]
			}
			page(odd, a, t0, moved...)
			if got, want := show(odd, t0), show(even, t0); got != want {
				t.Fatalf("got\n%s\nwant\n%s", got, want)
			}
		}
	})
}

// labeled gives samples the label k.
func labeled(k string, list []sample) []sample {
	for i := range list {
		list[i].id.Labels = x(k, 0).id.Labels
	}
	return list
}

func ints(n int) (list []int) {
	for i := range n {
		list = append(list, i)
	}
	return list
}

// anyLines has two histograms of one family, two summaries and a counter.
func anyLines(numbers []int, inf float64) (list []sample) {
	v := func(i int) float64 {
		if i < len(numbers) {
			return float64(numbers[i])
		}
		return 0
	}
	for i, k := range []string{"1", "2"} {
		low, mid := v(3*i), v(3*i)+v(3*i+1)
		list = append(list, labeled(k, hist("h", low+0.5, 1, low, 2, mid, 5, mid+1, inf, mid+v(3*i+2)+1))...)
	}
	for i, k := range []string{"1", "2"} {
		list = append(list, sample{id: id(exposition.Summary, "s", exposition.PartSum, 0, "k", k), v: v(i)},
			sample{id: id(exposition.Summary, "s", exposition.PartCount, 0, "k", k), v: v(i + 2)})
	}
	return append(list, x("c", v(6)))
}

// TestTwoSeriesAreNoBlock: buckets of two series that stand together, in what would be one order of bounds, are two blocks.
func TestTwoSeriesAreNoBlock(t *testing.T) {
	f, inf := New(NewOptions()), math.Inf(1)
	of := func(k string, bc ...float64) []sample { return labeled(k, hist("h", 1, bc...)) }
	page(f, add(f, "all"), t0, append(of("1", 1, 1, inf, 1), of("2", 1, 1, 2, 1, 3, 1, inf, 1)...)...)
	a := add(f, "a") // which lacks bounds of both
	one, two := of("1", inf, 1), of("2", 3, 1, inf, 1)
	page(f, a, t0, slices.Concat(one[:1], two, one[1:])...)
	f.Families(t0)
	page(f, a, t0, slices.Concat(one[:1], two, one[1:])...)
	if o := a.order; o == nil || !o.quick || len(o.blocks) != 2 || o.blocks[1].buckets != (run{1, 3}) {
		t.Errorf("%+v", o)
	}
}
