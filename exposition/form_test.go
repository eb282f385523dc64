package exposition

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// randomFamilies is a page in which everything may change from round to round but names and labels.
func randomFamilies(r *rand.Rand) []Family {
	var out []Family
	for _, typ := range []Type{Counter, Gauge, Histogram, GaugeHistogram, Summary, Info, StateSet, Unknown} {
		for i, name := range []string{"x_" + typ.String(), "dotted.name " + typ.String(), typ.String() + "_total"} {
			if typ == Info && i == 0 {
				name += "_info"
			}
			f := Family{Name: name, Type: typ, Help: "Some \"help\"\n."}
			for _, v := range []string{"a", "b\"\\\n", "c"} {
				if r.IntN(5) == 0 {
					continue
				}
				f.Series = append(f.Series, randomSeries(r, v))
			}
			out = append(out, f)
		}
	}
	return out
}

func randomSeries(r *rand.Rand, value string) Series {
	s := Series{Labels: Labels{{"dotted.label", value}, {"k", value}}, Value: float64(r.IntN(100))}
	for _, b := range []float64{0.1, 1, 2.5, 10} {
		if r.IntN(4) > 0 {
			s.Buckets = append(s.Buckets, Bucket{UpperBound: b, Count: float64(r.IntN(9))})
		}
		if r.IntN(4) > 0 {
			s.Quantiles = append(s.Quantiles, Quantile{Quantile: b / 10, Value: float64(r.IntN(9))})
		}
	}
	if r.IntN(3) == 0 && len(s.Buckets) > 0 {
		s.Buckets[0].Exemplar = &Exemplar{Labels: Labels{{"trace_id", strconv.Itoa(r.IntN(9))}}, Value: 0.5, Timestamp: 1.5}
		s.Exemplar = s.Buckets[0].Exemplar
	}
	s.HasSum, s.HasCount = r.IntN(4) > 0, r.IntN(4) > 0
	if r.IntN(2) == 0 {
		s.Start = 1.6e9
	}
	return s
}

var someAccepts = []string{
	"text/plain;version=0.0.4", "text/plain;version=1.0.0;escaping=allow-utf-8", "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8",
	"application/openmetrics-text;version=1.0.0;escaping=dots", "application/openmetrics-text;version=0.0.1",
}

// fill takes families apart, into forms of the round before where they fit.
func fill(families []Family, forms map[string]*Form) []Filled {
	sheet := NewSheet(0, 0)
	for i := range families {
		f := &families[i]
		forms[f.Name] = sheet.Family(forms[f.Name], f)
	}
	return sheet.Families()
}

// TestFormsChangeNothing holds pages of families that were taken apart against pages of whole ones, and the families put
// together again against those that they were.
func TestFormsChangeNothing(t *testing.T) {
	for seed := range uint64(200) {
		r, forms := rand.New(rand.NewPCG(seed, 3)), map[string]*Form{}
		for round := range 6 {
			enc := Negotiate(someAccepts[r.IntN(len(someAccepts))])
			families := randomFamilies(r)
			filled := fill(families, forms)
			var apart, again, whole strings.Builder
			err := errors.Join(EncodeFilled(&apart, enc, filled), encodeWhole(&whole, enc, families))
			back := make([]Family, 0, len(filled))
			for _, f := range filled {
				back = append(back, f.Family())
			}
			if err = errors.Join(err, encodeWhole(&again, enc, back)); err != nil || apart.String() != whole.String() || again.String() != whole.String() {
				t.Fatalf("seed %d, round %d, %s: %v\n%s\nwhole:\n%s\nput together again:\n%s", seed, round, enc.ContentType(), err,
					apart.String(), whole.String(), again.String())
			}
		}
	}
}

// TestTextsAreMadeBeside: of a page of many families whose texts nobody has asked for, whole, in part, or not at all.
func TestTextsAreMadeBeside(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	var families []Family
	for i := range 40 {
		f := Family{Name: fmt.Sprintf("x%d", i), Type: Gauge}
		for k := range 100 * r.IntN(3) {
			f.Series = append(f.Series, Series{Labels: Labels{{"k", strconv.Itoa(k)}}, Value: float64(k)})
		}
		families = append(families, f)
	}
	enc := Negotiate("")
	var want strings.Builder
	if err := encodeWhole(&want, enc, families); err != nil {
		t.Fatal(err)
	}
	for asked := 0; asked <= len(families); asked += 8 {
		filled := fill(families, map[string]*Form{})
		for i := range asked {
			filled[i].in(enc)
		}
		unasked := 0
		for i := asked; i < len(filled); i++ {
			unasked += filled[i].Form.numbers
		}
		half := halfUnasked(filled)
		left := 0
		for i := range half {
			left += filled[i].unasked()
		}
		if even := 3*left > unasked && 3*left < 2*unasked; even != (unasked >= manyUnasked) {
			t.Errorf("of %d numbers not asked for %d are made beside the others", unasked, left)
		}
		var got strings.Builder
		if err := EncodeFilled(&got, enc, filled); err != nil || got.String() != want.String() {
			t.Errorf("%d asked for: another page, %v", asked, err)
		}
	}
}

// TestTextsAreMadeByTwo: who asks for a new page at the same time finds texts made that were not there a moment before.
func TestTextsAreMadeByTwo(t *testing.T) {
	families := make([]Family, 3000)
	for i := range families {
		families[i] = Family{Name: fmt.Sprintf("x%d", i), Type: Gauge, Series: make([]Series, 1)}
		if i < 3 {
			families[i].Series = make([]Series, 1000)
		}
	}
	for range 200 {
		filled := fill(families, map[string]*Form{})
		var group sync.WaitGroup
		for range 4 {
			group.Go(func() {
				if half := halfUnasked(filled); half > len(filled) {
					t.Errorf("%d of %d families", half, len(filled))
				}
			})
		}
		group.Go(func() {
			for i := range filled {
				filled[i].texts.Store(&[]*formText{})
			}
		})
		group.Wait()
	}
}

// TestFormIsKept: a family whose numbers alone change has the form that it had, and its text is made once.
func TestFormIsKept(t *testing.T) {
	forms, enc := map[string]*Form{}, Negotiate(someAccepts[0])
	families := slices.DeleteFunc(randomFamilies(rand.New(rand.NewPCG(1, 1))), func(f Family) bool { return len(f.Series) == 0 })
	first := fill(families, forms)
	texts := make([]*formText, 0, len(first))
	for i := range first {
		texts = append(texts, first[i].in(enc))
	}
	for i := range families {
		families[i] = clone(&families[i])
		families[i].each(func(v *float64, x **Exemplar) { *v, *x = *v+1, nil })
	}
	for i, f := range fill(families, forms) {
		if f.Form != first[i].Form || f.in(enc) != texts[i] {
			t.Errorf("family %s was made anew", f.Name())
		}
	}
	families[0].Series[0].Labels = Labels{{"other", "label"}}
	if f := fill(families, forms)[0]; f.Form == first[0].Form {
		t.Error("a form has another family's labels")
	}
}

// TestFormIsShared: one page goes out in several encodings at once.
func TestFormIsShared(t *testing.T) {
	families := randomFamilies(rand.New(rand.NewPCG(1, 1)))
	filled := fill(families, map[string]*Form{})
	var group sync.WaitGroup
	for _, accept := range someAccepts {
		want := encode(t, accept, families)
		for range 2 {
			group.Go(func() {
				for range 20 {
					var b strings.Builder
					if err := EncodeFilled(&b, Negotiate(accept), filled); err != nil || b.String() != want {
						t.Errorf("%v\n%s\nwant:\n%s", err, b.String(), want)
					}
				}
			})
		}
	}
	group.Wait()
	for _, f := range filled {
		if n := len(*f.texts.Load()); n > maxTexts {
			t.Errorf("%d texts are kept", n)
		}
	}
}

// TestUndo: what was taken of a family and given up is not the next one's.
func TestUndo(t *testing.T) {
	sheet := NewSheet(0, 0)
	one := Family{Name: "one", Type: Gauge, Series: []Series{{Value: 1}}}
	form := sheet.Family(nil, &one)
	sheet.Number(5)
	sheet.Exemplar(&Exemplar{Value: 1})
	sheet.Undo()
	sheet.Number(2)
	sheet.End(form)
	var b strings.Builder
	if err := EncodeFilled(&b, Negotiate(""), sheet.Families()); err != nil || b.String() != "# TYPE one gauge\none 1\n# TYPE one gauge\none 2\n" {
		t.Errorf("%v\n%s", err, b.String())
	}
	if f := sheet.Families()[1]; len(f.exemplars) > 0 {
		t.Error("an exemplar was left")
	}
}

// broken takes so many bytes, and no more.
type broken struct{ room int }

func (w *broken) Write(p []byte) (int, error) {
	if w.room -= len(p); w.room < 0 {
		return 0, io.ErrClosedPipe
	}
	return len(p), nil
}

// TestBrokenReaderLeavesNothing: what one who goes away in the middle of a page was to get is in nobody else's.
func TestBrokenReaderLeavesNothing(t *testing.T) {
	long := Family{Name: "long_total", Type: Counter}
	for i := range 10_000 {
		long.Series = append(long.Series, Series{Labels: Labels{{"i", strconv.Itoa(i)}}, Value: 1})
	}
	enc := Negotiate(someAccepts[0])
	for room := 0; room < 3*flushAt; room += flushAt / 2 {
		if err := encodeWhole(&broken{room}, enc, []Family{long}); !errors.Is(err, io.ErrClosedPipe) {
			t.Fatalf("room for %d: %v", room, err)
		}
		if err := EncodeFilled(&broken{room}, enc, fill([]Family{long}, map[string]*Form{})); !errors.Is(err, io.ErrClosedPipe) {
			t.Fatalf("room for %d, filled: %v", room, err)
		}
		var b strings.Builder
		if err := encodeWhole(&b, enc, []Family{{Name: "x", Type: Gauge, Series: []Series{{Value: 1}}}}); err != nil || b.String() != "# TYPE x gauge\nx 1\n" {
			t.Fatalf("room for %d: %v, %.200q", room, err, b.String())
		}
	}
}

// TestFormKeepsFewTexts: who asks in every encoding there is does not fill the memory.
func TestFormKeepsFewTexts(t *testing.T) {
	family := allTypes[1]
	filled := fill([]Family{family}, map[string]*Form{})
	for range 2 {
		for _, format := range []string{"application/openmetrics-text;version=1.0.0", "application/openmetrics-text;version=0.0.1", "text/plain;version=0.0.4", "text/plain;version=1.0.0"} {
			for _, escaping := range []string{"allow-utf-8", "underscores", "dots", "values"} {
				var b strings.Builder
				enc := Negotiate(format + ";escaping=" + escaping)
				if err := EncodeFilled(&b, enc, filled); err != nil || b.String() != encode(t, format+";escaping="+escaping, []Family{family}) {
					t.Errorf("%v\n%s", err, b.String())
				}
			}
		}
	}
	if n := len(*filled[0].texts.Load()); n != maxTexts {
		t.Errorf("%d texts are kept, want %d", n, maxTexts)
	}
}
