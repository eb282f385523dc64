package exposition

import (
	"io"
	"slices"
	"sync"
)

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

// EncodeFilled writes a page of families that were filled in. The order is the caller's.
func EncodeFilled(w io.Writer, enc Encoding, families []Filled) error {
	e := encoders.Get().(*encoder) //nolint:forcetypeassert // nothing else is put there
	defer e.release()
	e.writeTo(w, enc, e.findTexts(families, enc))
	for i := range families {
		if e.fill(e.texts[i], &families[i]); e.err != nil {
			return e.err
		}
	}
	return e.end()
}

// numberSize is how many bytes most numbers have, with what is beside them in the forms' texts.
const numberSize = 12

// findTexts finds the families' texts, which are made where nobody asked before, and gives how many bytes the page has, about.
func (e *encoder) findTexts(families []Filled, enc Encoding) (size int) {
	e.texts = slices.Grow(e.texts[:0], len(families))[:len(families)]
	if half := halfUnasked(families); half > 0 {
		e.findHalves(families, half, enc)
	} else {
		e.findSome(families, enc, 0)
	}
	for _, w := range e.texts {
		size += len(w.text) + numberSize*len(w.ends)
	}
	return size
}

func (e *encoder) findHalves(families []Filled, half int, enc Encoding) {
	var group sync.WaitGroup
	defer group.Wait()
	group.Go(func() { e.findSome(families[:half], enc, 0) })
	e.findSome(families[half:], enc, half)
}

// findSome finds the texts of some families, the first of which is at that place among all.
func (e *encoder) findSome(families []Filled, enc Encoding, place int) {
	for i := range families {
		e.texts[place+i] = families[i].in(enc)
	}
}

// manyUnasked is how many numbers of forms without a text make it worth to wake another core.
const manyUnasked = 2 << 10

// halfUnasked gives how many families are to have their texts made beside the others: 0 where little is to be made. It looks at first pages,
// not at those of another encoding, and others may make the same texts meanwhile.
func halfUnasked(families []Filled) (half int) {
	all := 0
	for i := range families {
		all += families[i].unasked()
	}
	if all < manyUnasked {
		return 0
	}
	for n := 0; 2*n < all && half < len(families); half++ {
		n += families[half].unasked()
	}
	return half
}

// unasked is how many numbers the form has, where it has no text in any encoding.
func (f *Form) unasked() int {
	if f.texts.Load() != nil {
		return 0
	}
	return f.numbers
}

// fill writes a form with its numbers.
func (e *encoder) fill(w *formText, f *Filled) {
	at := 0
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
