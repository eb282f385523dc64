package merge

import "slices"

// Said is what the present incarnations say, for a page of the ledger. Many numbers are not copied: they stay where they are,
// and nobody changes them before Release. It may be used again.
type Said struct {
	fold    *Fold // nil: nothing is said
	text    []byte
	numbers []saidNumbers
	copies  bool // all numbers

	open   bool           // more is to be said
	ahead  []*Incarnation // that were said before the rest
	saying uint64         // of the fold, when it began

	taken, takenNumbers int // of text and numbers, by Take
	waiting             int // bytes of the other numbers
}

// saidNumbers come after so many bytes of the text.
type saidNumbers struct {
	after  int
	values []float64
	lease  *lease
}

// manyNumbers is from how many on a copy costs more than a piece of their own in a write.
const manyNumbers = 256

// add adds numbers that have a lease.
func (s *Said) add(values []float64, l **lease) {
	if s.copies || len(values) < manyNumbers || !littleEndian {
		s.text = appendFloats(s.text, values)
		return
	}
	s.numbers = append(s.numbers, saidNumbers{len(s.text), values, lend(l)})
	s.waiting += 8 * len(values)
}

// Take appends what was said since the last Take, piece by piece. It is good until Release.
func (s *Said) Take(dst [][]byte) [][]byte {
	for _, n := range s.numbers[s.takenNumbers:] {
		dst = append(dst, s.text[s.taken:n.after], bytesOf(n.values))
		s.taken = n.after
	}
	dst = append(dst, s.text[s.taken:])
	s.taken, s.takenNumbers, s.waiting = len(s.text), len(s.numbers), 0
	return dst
}

// Waiting is how many bytes Take would give.
func (s *Said) Waiting() int { return len(s.text) - s.taken + s.waiting }

// Release says that it is not used any more. It may be called again.
func (s *Said) Release() {
	if s.fold == nil {
		return
	}
	s.fold.mu.Lock()
	defer s.fold.mu.Unlock()
	for i, n := range s.numbers {
		s.fold.giveBack(n.values, n.lease)
		s.numbers[i] = saidNumbers{}
	}
	clear(s.ahead)
	*s = Said{text: s.text[:0], numbers: s.numbers[:0], ahead: s.ahead[:0], copies: s.copies}
}

// Say gives what the present incarnations say; where BeginSay was called, what SayAhead has not said.
func (f *Fold) Say(said *Said) {
	said.again()
	f.mu.Lock()
	defer f.mu.Unlock()
	f.say(said)
}

// again makes room in a Said that was ended.
func (s *Said) again() {
	if !s.open {
		s.Release()
	}
}

// BeginSay begins what Say or RenderAndSay ends. What is open already of another Said is said whole at its end.
func (f *Fold) BeginSay(said *Said) {
	said.Release()
	f.mu.Lock()
	defer f.mu.Unlock()
	f.unsay()
	f.beginSay(said)
}

func (f *Fold) beginSay(said *Said) {
	said.fold, said.open, said.saying = f, true, f.saying
	said.text = slices.Grow(said.text[:0], f.saidBytes())
}

// unsay says that what any incarnation says may have changed: all that was said ahead is said anew.
func (f *Fold) unsay() { f.saying++ }

// SayAhead says what an incarnation says by now: at the end that is not said again, unless something changes about it. It
// tells whether it did.
func (f *Fold) SayAhead(said *Said, inc *Incarnation) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !inc.present || !inc.committed || !f.saysOn(said) {
		return false
	}
	said.ahead = append(said.ahead, inc)
	inc.ahead = len(said.ahead)
	f.sayOne(inc, said)
	return true
}

// SaysOn tells whether what was said ahead still counts, mostly.
func (f *Fold) SaysOn(said *Said) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.saysOn(said)
}

func (f *Fold) saysOn(said *Said) bool { return said.open && said.saying == f.saying && f.layout }

// holds tells whether what was said ahead as the one at that place is what the incarnation says.
func (s *Said) holds(at int, inc *Incarnation) bool {
	return s.saying == inc.fold.saying && inc.ahead == at+1
}

// isAhead tells whether the incarnation needs not be said any more.
func (s *Said) isAhead(inc *Incarnation) bool {
	return inc.ahead > 0 && inc.ahead <= len(s.ahead) && s.ahead[inc.ahead-1] == inc && s.holds(inc.ahead-1, inc)
}

// say says what is not said yet, and which of what was said ahead does not count.
func (f *Fold) say(said *Said) {
	f.first = nil
	if !said.open {
		f.beginSay(said)
	}
	for _, inc := range f.incarnations {
		if inc.present && !said.isAhead(inc) {
			f.sayOne(inc, said)
		}
	}
	said.text = append(said.text, 0)
	for at, inc := range said.ahead {
		if !said.holds(at, inc) {
			said.text = appendUint(said.text, at+1)
		}
	}
	said.text = append(said.text, 0)
	said.open = false
}

func (f *Fold) sayOne(inc *Incarnation, said *Said) {
	said.text = append(said.text, 1)
	f.sayOf(inc, said)
}
