package exposition

import (
	"bytes"
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

// formText is the text of a form in one encoding.
type formText struct {
	enc    Encoding
	text   []byte  // of all lines, without the numbers
	ends   []int   // where what comes before each number ends
	places []int32 // which number it is
	// exemplars tells whether the encoding has a place for them.
	exemplars bool
}

// maxTexts is in how many encodings a form's text is kept: more than those who ask again and again differ in.
const maxTexts = 4

// in gives the form's text, which is made where nobody has asked for the encoding lately.
func (f *Form) in(enc Encoding) *formText {
	enc.Version = "" // makes no difference
	for {
		list := f.texts.Load()
		var all []*formText
		if list != nil {
			all = *list
		}
		if i := slices.IndexFunc(all, func(w *formText) bool { return w.enc == enc }); i >= 0 {
			return all[i]
		}
		all = append(slices.Clone(all[max(0, len(all)+1-maxTexts):]), f.write(enc))
		f.texts.CompareAndSwap(list, &all)
	}
}

func (f *Form) write(enc Encoding) *formText {
	e := encoders.Get().(*encoder) //nolint:forcetypeassert // nothing else is put there
	defer e.release()
	w := &formText{enc: enc, ends: make([]int, 0, f.numbers), places: make([]int32, 0, f.numbers)}
	e.enc, e.making = enc, w
	e.all(&f.family)
	w.text = bytes.Clone(e.buf)
	return w
}
