package exposition

import "slices"

// foresight is how many lines a page will have, as far as what has come of it tells. Of workers that are asked for the first
// time, all at once, no page is known that could: memory that grows with each page's lines is given again and again, two fifths
// of all that a first round takes.
type foresight struct {
	length int64 // of the page in bytes; 0: not known
	read   int64 // of them
	room   int64 // how many bytes' lines were foreseen
}

// mostForeseen is how many times what has come is believed to be the whole: a page that only tells a great length gets no
// memory for it.
const mostForeseen = 16

// Foresee tells how many bytes the page will have; 0 where that is not known. What is told is not relied upon.
func (p *Page) Foresee(length int64) { p.foresight.length = length }

// firstRoom is how many bytes' lines have room before one has come, at most, and guessedLine how long each may be.
const (
	firstRoom   = 64 << 10
	guessedLine = 96
)

// guess makes room for the first line, as for the last page of which nothing was known: workers of an instance are much alike.
func (p *Page) guess() {
	n := int(min(p.foresight.length, firstRoom) / guessedLine)
	p.repeat.own = make([]entry, 0, max(n, int(p.table.common.Load())))
	p.repeat.sink.Foresee(n)
}

// foresee makes room before a piece, where what came before it has lines that were not repeated.
func (p *Page) foresee() {
	s, r := &p.foresight, &p.repeat
	if len(r.own) == 0 || s.read < s.room/2 {
		return
	}
	s.room = min(s.length, mostForeseen*s.read)
	lines, samples := p.inAll(len(r.own)), p.inAll(r.samples)
	if lines <= cap(r.own)+cap(r.own)/8 {
		return // growing once is cheap
	}
	lines += lines / 16 // they are not equally long
	r.own = slices.Grow(r.own, lines-len(r.own))
	r.sink.Foresee(samples + samples/16)
	p.table.foreseen.Store(int64(min(lines, maxCommon)))
}

// inAll is how many there will be of what n have come of, as far as is foreseen. A page of more samples than its limit is refused.
func (p *Page) inAll(n int) int {
	s := &p.foresight
	n = int(float64(n) * float64(s.room) / float64(s.read))
	if p.limits.Samples > 0 {
		n = min(n, p.limits.Samples)
	}
	return n
}
