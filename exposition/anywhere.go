package exposition

import "bytes"

// sought is a line of the page that is looked for in the table.
type sought struct {
	text  []byte // in the piece
	value float64
	end   int // in the piece, of the line
	hash  uint32
}

// maxSought is how many lines are looked for at once: while the processor waits for the memory of one, that of the others is on
// its way.
const maxSought = 8

// anywhere reads lines that are known from elsewhere, with plain numbers, and gives how many bytes they have: one, or several where the
// one before did not stand in a row either.
func (p *Page) anywhere(piece []byte, c context, several bool) int {
	list := p.repeat.sought[:1]
	if several {
		list = p.repeat.sought[:]
	}
	list = p.seek(list, piece, c)
	at := 0
	for i := range list {
		s := &list[i]
		e, ok := p.index.findHashed(c, s.text, s.hash)
		if !ok {
			break
		}
		p.note(e, true)
		if slot := p.repeat.known[e].slot; slot != NoSlot {
			p.hand(e, slot, s.value)
		}
		p.line++
		at = s.end
	}
	return at
}

// seek fills the list with the plain lines that a piece begins with, and touches what the table has of them.
func (p *Page) seek(list []sought, piece []byte, c context) []sought {
	r, known := &p.repeat, p.index
	n, at := 0, 0
	for ; n < len(list); n++ {
		end, v, taken := plainLine(piece[at:])
		if taken == 0 {
			break
		}
		text := piece[at : at+end]
		at += taken
		list[n] = sought{text: text, value: v, end: at, hash: known.hash(c, text)}
	}
	list = list[:n]
	if n < 2 {
		return list
	}
	var guesses [maxSought]entry // one more than the entry that a line may be; 0: none
	for i := range list {
		_, guesses[i] = known.places[list[i].hash&uint32(len(known.places)-1)].read()
	}
	for _, e := range guesses[:n] {
		if e > 0 && len(r.known[e-1].text) > 0 {
			r.touched += r.known[e-1].text[0]
		}
	}
	return list
}

// plainLine gives where the text of a line's series ends, its value, and how many bytes the line has; none where it is not plain. The text
// is found as in Page.elsewhere, or ends with the first blank.
func plainLine(piece []byte) (n int, v float64, taken int) {
	end := bytes.IndexByte(piece, '\n')
	if end < 0 || end > maxLine {
		return 0, 0, 0
	}
	n = bytes.LastIndexByte(piece[:end], '}') + 1
	if n == 0 {
		n = max(0, bytes.IndexByte(piece[:end], ' '))
	}
	if len(piece) < n+1+plainWindow || piece[n] != ' ' {
		return 0, 0, 0
	}
	if v, taken = parsePlain(piece[n+1:]); taken == 0 {
		return 0, 0, 0
	}
	return n, v, n + 1 + taken
}
