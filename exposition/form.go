package exposition

import (
	"bytes"
	"io"
	"slices"
	"sync/atomic"
	"unsafe"
)

// Form is a family as one page after another shows it, all but its numbers: their text is made once. It is immutable,
// and safe for concurrent use.
type Form struct {
	family  Family // without exemplars; each number is one more than its place among the numbers
	numbers int
	texts   atomic.Pointer[[]*formText] // one for each encoding that was asked for
}

// NewForm gives the form of a family, which may be changed afterwards; its labels must not.
func NewForm(of *Family) *Form {
	f := &Form{family: clone(of)}
	f.family.each(func(v *float64, x **Exemplar) {
		f.numbers++
		*v, *x = float64(f.numbers), nil
	})
	return f
}

func clone(of *Family) Family {
	out := *of
	out.Series = slices.Clone(of.Series)
	for i := range out.Series {
		s := &out.Series[i]
		s.Buckets, s.Quantiles = slices.Clone(s.Buckets), slices.Clone(s.Quantiles)
	}
	return out
}

// each visits all that a page shows, in the order in which forms have it.
func (f *Family) each(visit func(number *float64, exemplar **Exemplar)) {
	var none *Exemplar
	for i := range f.Series {
		s := &f.Series[i]
		if !f.Type.composed() {
			visit(&s.Value, &s.Exemplar)
		} else {
			for at := range s.Buckets {
				visit(&s.Buckets[at].Count, &s.Buckets[at].Exemplar)
			}
			for at := range s.Quantiles {
				visit(&s.Quantiles[at].Value, &none)
			}
			if s.HasSum {
				visit(&s.Sum, &none)
			}
			if s.HasCount {
				visit(&s.Count, &none)
			}
		}
		if s.Start != 0 {
			visit(&s.Start, &none)
		}
	}
}

// composed tells whether a series of the type has more than one line.
func (t Type) composed() bool { return t == Histogram || t == GaugeHistogram || t == Summary }

// shows tells whether a page of the form looks like this family's, but for its numbers.
func (f *Form) shows(of *Family) bool {
	own := &f.family
	if own.Name != of.Name || own.Type != of.Type || own.Help != of.Help || own.Unit != of.Unit || len(own.Series) != len(of.Series) {
		return false
	}
	for i := range own.Series {
		if !own.Series[i].alike(&of.Series[i]) {
			return false
		}
	}
	return true
}

func (s *Series) alike(o *Series) bool {
	return sameLabels(s.Labels, o.Labels) && s.HasCount == o.HasCount && s.HasSum == o.HasSum && (s.Start != 0) == (o.Start != 0) &&
		slices.EqualFunc(s.Buckets, o.Buckets, func(a, b Bucket) bool { return a.UpperBound == b.UpperBound }) &&
		slices.EqualFunc(s.Quantiles, o.Quantiles, func(a, b Quantile) bool { return a.Quantile == b.Quantile })
}

func sameLabels(a, b Labels) bool {
	return len(a) == len(b) && unsafe.SliceData(a) == unsafe.SliceData(b) || slices.Equal(a, b)
}

// Filled is a form with its numbers: a family of one page. It must be immutable during its lifetime.
type Filled struct {
	*Form
	numbers   []float64
	exemplars []placed
}

// placed is an exemplar and the place of its number.
type placed struct {
	place    int32
	exemplar *Exemplar
}

// Fill takes one family apart.
func Fill(of *Family) Filled {
	sheet := NewSheet(1, 0)
	sheet.Family(nil, of)
	return sheet.families[0]
}

// Name is the family's.
func (f Filled) Name() string { return f.family.Name }

// Family gives the family as it was before it was taken apart.
func (f Filled) Family() Family {
	out, at := clone(&f.family), 0
	exemplars := f.exemplars
	out.each(func(v *float64, x **Exemplar) {
		if *v = f.numbers[at]; len(exemplars) > 0 && int(exemplars[0].place) == at {
			*x, exemplars = exemplars[0].exemplar, exemplars[1:]
		}
		at++
	})
	return out
}

// Sheet takes the numbers of one page, family by family.
type Sheet struct {
	numbers   []float64
	exemplars []placed
	families  []Filled
	begin     int // of the family under way
	exampled  int
}

// NewSheet gives a sheet with room for so many families and numbers.
func NewSheet(families, numbers int) *Sheet {
	return &Sheet{numbers: make([]float64, 0, numbers), families: make([]Filled, 0, families)}
}

// Number takes the next number of the family under way.
func (s *Sheet) Number(v float64) { s.numbers = append(s.numbers, v) }

// Exemplar takes that of the number before; nil is none.
func (s *Sheet) Exemplar(x *Exemplar) {
	if x != nil {
		s.exemplars = append(s.exemplars, placed{int32(len(s.numbers) - s.begin - 1), x})
	}
}

// Numbers is how many it has.
func (s *Sheet) Numbers() int { return len(s.numbers) }

// Undo forgets what was taken of the family under way.
func (s *Sheet) Undo() {
	s.numbers, s.exemplars = s.numbers[:s.begin], s.exemplars[:s.exampled]
}

// End ends a family, whose form all numbers are given of.
func (s *Sheet) End(form *Form) {
	n, x := len(s.numbers), len(s.exemplars)
	s.families = append(s.families, Filled{form, s.numbers[s.begin:n:n], s.exemplars[s.exampled:x:x]})
	s.begin, s.exampled = n, x
}

// Family takes a whole family, and gives its form: the last one where that still shows it. last may be nil.
func (s *Sheet) Family(last *Form, of *Family) *Form {
	if last == nil || !last.shows(of) {
		last = NewForm(of)
	}
	of.each(func(v *float64, x **Exemplar) {
		s.Number(*v)
		s.Exemplar(*x)
	})
	s.End(last)
	return last
}

// Families are those that have ended.
func (s *Sheet) Families() []Filled { return s.families }

// formText is the text of a form in one encoding.
type formText struct {
	enc    Encoding
	text   []byte  // of all lines, without the numbers
	ends   []int32 // where what comes before each number ends
	places []int32 // which number it is
	// exemplars tells whether the encoding has a place for them.
	exemplars bool
}

// in gives the form's text, which is made where nobody has asked for the encoding before.
func (f *Form) in(enc Encoding) *formText {
	for {
		list := f.texts.Load()
		var all []*formText
		if list != nil {
			all = *list
		}
		if i := slices.IndexFunc(all, func(w *formText) bool { return w.enc == enc }); i >= 0 {
			return all[i]
		}
		all = append(slices.Clip(all), f.write(enc))
		f.texts.CompareAndSwap(list, &all)
	}
}

func (f *Form) write(enc Encoding) *formText {
	e := encoders.Get().(*encoder) //nolint:forcetypeassert // nothing else is put there
	defer e.release()
	w := &formText{enc: enc, ends: make([]int32, 0, f.numbers), places: make([]int32, 0, f.numbers)}
	e.enc, e.making = enc, w
	e.all(&f.family)
	w.text = bytes.Clone(e.buf)
	return w
}

// EncodeFilled writes a page of families that were filled in. The order is the caller's.
func EncodeFilled(w io.Writer, enc Encoding, families []Filled) error {
	e := encoders.Get().(*encoder) //nolint:forcetypeassert // nothing else is put there
	defer e.release()
	e.w, e.enc = w, enc
	for i := range families {
		if e.fill(families[i].in(enc), &families[i]); e.err != nil {
			return e.err
		}
	}
	return e.end()
}

// fill writes a form with its numbers.
func (e *encoder) fill(w *formText, f *Filled) {
	at := int32(0)
	for i, end := range w.ends {
		if len(e.buf) >= flushAt {
			e.flush()
		}
		e.buf = append(e.buf, w.text[at:end]...)
		place := w.places[i]
		e.buf = AppendFloat(e.buf, f.numbers[place])
		if w.exemplars && len(f.exemplars) > 0 {
			e.exemplar(f.exemplarAt(place))
		}
		at = end
	}
	e.buf = append(e.buf, w.text[at:]...)
}

func (f *Filled) exemplarAt(place int32) *Exemplar {
	i, found := slices.BinarySearchFunc(f.exemplars, place, func(p placed, place int32) int { return int(p.place - place) })
	if !found {
		return nil
	}
	return f.exemplars[i].exemplar
}
