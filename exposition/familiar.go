package exposition

// rowLines is how many lines are looked for in a row at once.
const rowLines = 32

// familiar reads the known lines of a piece of a page that has diverged, and gives how many bytes they have: in a row as
// long as they follow one another as in the worker's last page, or as when they were learnt, else one by one. It leaves
// alone what is not plain, comments, and the piece's end.
func (p *Page) familiar(piece []byte) (at int) {
	r := &p.repeat
	if r.sink == nil || p.ended || piece[0] == '#' {
		return 0
	}
	c := p.context()
	if p.index.epoch != r.epoch {
		return 0
	}
	r.known, r.families, r.values = p.index.known, p.index.families, r.row[:]
	begin, several := p.line, false
	for p.limits.Samples == 0 || p.samples+rowLines <= p.limits.Samples {
		taken := p.inRow(piece[at:], c)
		alone := taken == 0
		if alone {
			taken = p.anywhere(piece[at:], c, several)
		}
		several = alone
		if at += taken; taken == 0 {
			break
		}
	}
	p.holding.known += p.line - begin
	return at
}

// inRow reads lines that follow one another as they are expected to.
func (p *Page) inRow(piece []byte, c context) int {
	if !skims {
		return 0
	}
	r := &p.repeat
	var row [rowLines]entry
	n, last := p.row(&row, piece, c)
	if n == 0 {
		return 0
	}
	taken, read := r.skim(piece, row[:n])
	values := r.values[:r.filled]
	r.filled = 0
	for _, e := range row[:read] {
		if slot := r.known[e].slot; slot != NoSlot {
			p.hand(e, slot, values[0])
			values = values[1:]
		}
		if !last {
			p.note(e, true)
		}
	}
	if last {
		r.own, r.next = append(r.own, row[:read]...), r.next+read
	}
	p.line += read
	return taken
}

// row gives the lines under the declaration that come next, if the piece begins with the first: of the last page, or those
// that followed the line before when they were learnt.
func (p *Page) row(row *[rowLines]entry, piece []byte, c context) (n int, last bool) {
	r := &p.repeat
	if r.next < len(r.entries) && r.begins(piece, r.entries[r.next]) {
		for _, e := range r.entries[r.next:min(r.next+rowLines, len(r.entries))] {
			if r.known[e].context != c {
				break
			}
			row[n] = e
			n++
		}
		return n, true
	}
	if len(r.own) == 0 {
		return 0, false
	}
	e, lines := r.own[len(r.own)-1]+1, p.index.lines() // which may be fewer: what the page itself has learnt may be in a newer index
	if int(e) >= lines || !r.begins(piece, e) {
		return 0, false
	}
	for ; n < rowLines && int(e) < lines && r.known[e].context == c; e++ {
		row[n] = e
		n++
	}
	return n, false
}

// begins tells whether a piece begins with a line.
func (r *repeat) begins(piece []byte, e entry) bool {
	text := r.known[e].text
	n := len(text)
	return n < len(piece) && piece[n] == ' ' && string(piece[:n]) == text
}

// hand hands on a sample of a known line, which has neither a timestamp nor an exemplar. There is room for it in the limits.
func (p *Page) hand(e entry, slot Slot, v float64) {
	p.samples++
	p.repeat.samples++
	if d := p.current; d != nil && !d.told {
		p.tell(d, p.repeat.families[e])
	}
	p.sink.Sample(slot, v, 0, false)
}
