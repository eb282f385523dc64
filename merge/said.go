package merge

// Said is what the present incarnations say, for a page of the ledger. Many numbers are not copied: they stay where they are,
// and nobody changes them before Release. It may be used again.
type Said struct {
	fold    *Fold
	text    []byte
	numbers []saidNumbers
	copies  bool // all numbers
}

// saidNumbers come after so many bytes of the text.
type saidNumbers struct {
	after  int
	values []float64
	lease  *lease
}

// manyNumbers is from how many on a copy costs more than a write of their own.
const manyNumbers = 4096

// add adds numbers that have a lease.
func (s *Said) add(values []float64, l **lease) {
	if s.copies || len(values) < manyNumbers || !littleEndian {
		s.text = appendFloats(s.text, values)
		return
	}
	s.numbers = append(s.numbers, saidNumbers{len(s.text), values, lend(l)})
}

// AppendTo appends what is said, piece by piece. It is good until Release.
func (s *Said) AppendTo(dst [][]byte) [][]byte {
	begin := 0
	for _, n := range s.numbers {
		dst = append(dst, s.text[begin:n.after], bytesOf(n.values))
		begin = n.after
	}
	return append(dst, s.text[begin:])
}

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
	s.numbers, s.fold = s.numbers[:0], nil
}

// Say gives what the present incarnations say.
func (f *Fold) Say(said *Said) {
	said.Release()
	f.mu.Lock()
	defer f.mu.Unlock()
	f.say(said)
}
