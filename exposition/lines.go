package exposition

import (
	"bytes"
	"encoding/binary"
	"slices"
)

// Lines are what a page has, line by line. The next page of the same worker is expected to have the same, so that a line
// costs a comparison with the instance's one copy of its text, and its number. It must be immutable during its lifetime.
type Lines struct {
	table   *Table
	epoch   int
	entries []entry
	samples int // that have a slot
}

// Samples is how many values a page with these lines gives.
func (l *Lines) Samples() int { return l.samples }

// Repeater is a Sink that has the last page of the same worker.
type Repeater interface {
	Sink
	// Room gives memory for n values, to which the page writes those of the samples that the last page has, in its order.
	Room(n int) []float64
	// Repeat takes the first n of them: all that the page has, or what it has before Diverge.
	Repeat(n int)
	// Foresee says that the page will have n samples or so, after some that were not repeated.
	Foresee(n int)
	// Stamp is the timestamp, in milliseconds, of the sample with this slot that is repeated now.
	Stamp(slot Slot, timestamp int64)
	// Diverge says that what comes is not what the last page has, and which slots the samples so far have. Meta and Sample
	// say what follows, and Meta what was left out for the families so far.
	Diverge(slots []Slot)
}

// look is how far ahead a line is looked for that is not the expected one: how many lines in a row may be gone.
const look = 64

// repeat is what a page needs to read lines where they are expected.
type repeat struct {
	sink     Repeater // nil: nobody wants to know
	last     *Lines   // nil: nothing is expected
	entries  []entry  // of last
	next     int      // the one expected now
	known    []known  // of the table, when the page began or was last familiar: a table that starts anew meanwhile changes nothing
	families []string
	same     bool // all lines so far are the expected ones, and only their values were handed on

	own     []entry // the page's own lines, once it has diverged
	samples int
	broken  bool // some line has no entry
	epoch   int

	values []float64 // the sink's, for those of last; then row
	filled int
	row    [rowLines]float64

	sought  [maxSought]sought
	touched byte // keeps what seek reads from being left out
}

// Expect tells the page what the last page of the same worker had; nil where there is none. It is called before
// anything is written, and sink is the page's.
func (p *Page) Expect(last *Lines, sink Repeater) {
	p.hold()
	r, x := &p.repeat, p.index
	r.sink, r.epoch, r.known, r.families = sink, x.epoch, x.known, x.families
	fits := last != nil && last.table == p.table && last.epoch == x.epoch
	if fits && (p.limits.Samples == 0 || last.samples <= p.limits.Samples) {
		r.last, r.entries, r.same, r.values = last, last.entries, true, sink.Room(last.samples)
		return
	}
	sink.Diverge(nil)
}

// Lines are the page's lines, when it has ended well; nil where not all of them are known. It is the Lines that was
// expected where the page is the same.
func (p *Page) Lines() *Lines {
	r := &p.repeat
	switch {
	case r.sink == nil || p.err != nil:
		return nil
	case r.same:
		return r.last
	case r.broken || len(r.own) == 0:
		return nil
	}
	p.table.common.Store(int64(min(len(r.own), maxCommon)))
	return &Lines{table: p.table, epoch: r.epoch, entries: fitted(r.own), samples: r.samples}
}

// maxCommon bounds what a page is given for having a first line: one worker's page must not make those of all others large.
const maxCommon = 16 << 10

// fitted gives entries that are kept no room that they do not need.
func fitted(list []entry) []entry {
	if cap(list) > len(list)+len(list)/2 {
		return slices.Clone(list)
	}
	return list
}

// whole reads the lines of a piece that are where they are expected, and gives how many bytes they have. It leaves alone
// what is not plain, and the piece's end.
func (p *Page) whole(piece []byte) int {
	r := &p.repeat
	entries, known := r.entries[r.next:], r.known
	at, i := 0, 0
	for ; i < len(entries); i++ {
		if skims {
			taken, read := r.skim(piece[at:], entries[i:])
			if at, i = at+taken, i+read; i == len(entries) {
				break
			}
		}
		k := &known[entries[i]]
		rest, n := piece[at:], len(k.text)
		if len(rest) < n+1+plainWindow || string(rest[:n]) != k.text {
			break
		}
		tail := rest[n : n+1+plainWindow]
		if k.slot <= commentLine {
			if tail[0] != '\n' {
				break
			}
			at += n + 1
			p.ended = k.slot == endLine
			continue
		}
		if tail[0] != ' ' {
			break
		}
		// What most lines end in is read here: up to seven digits and `.0`. A call would cost a fifth of the line.
		v, taken := 0.0, 0
		word := binary.LittleEndian.Uint64(tail[1:]) ^ 0x3030303030303030
		if d := digitsOf(word); d-1 < 7 && tail[d+1] == '.' && tail[d+2] == '0' && tail[d+3] == '\n' {
			v, taken = float64(int64(eightDigits(word<<(64-8*uint(d))))), d+3
		} else {
			v, taken = parsePlain(tail[1:])
		}
		if taken == 0 {
			if taken = p.repeatOdd(k, rest[n:]); taken == 0 {
				break
			}
			taken--
		} else if k.slot >= 0 {
			r.push(v)
		}
		at += n + 1 + taken
	}
	r.next += i
	p.line += i
	return at
}

// push writes the next value. There is room for those of all expected lines.
func (r *repeat) push(v float64) {
	r.values[r.filled] = v
	r.filled++
}

// handOn gives the sink what is written in its memory.
func (p *Page) handOn() {
	r := &p.repeat
	p.samples += r.filled
	r.sink.Repeat(r.filled)
	r.filled = 0
}

// repeats reads one line where it is the expected one, whatever its number looks like. A line that says nothing passes.
func (p *Page) repeats(line []byte) bool {
	r := &p.repeat
	if p.format == Text && p.idle(line) {
		p.line++
		return true
	}
	if r.next == len(r.entries) || len(line) > maxLine {
		return false
	}
	k := &r.known[r.entries[r.next]]
	n := len(k.text)
	if len(line) < n || string(line[:n]) != k.text {
		return false
	}
	if k.slot <= commentLine {
		if len(line) > n {
			return false
		}
		p.ended = k.slot == endLine
	} else if !p.repeatSample(k, line[n:]) {
		return false
	}
	r.next++
	p.line++
	return true
}

// repeatOdd reads what follows the series where it is not a plain number, and gives how many bytes that is; 0 where the
// line's end is not there, or the line is not the expected one.
func (p *Page) repeatOdd(k *known, rest []byte) int {
	end := bytes.IndexByte(rest, '\n')
	if end < 0 || !p.repeatSample(k, rest[:end]) {
		return 0
	}
	return end + 1
}

func (p *Page) repeatSample(k *known, rest []byte) bool {
	if len(rest) == 0 || !isBlank(rest[0]) {
		return false
	}
	if n := len(rest); rest[n-1] == '\r' {
		rest = rest[:n-1]
	}
	value, timestamp, stamped, err := p.numbers(rest)
	if err != nil {
		return false // read in full it gives the right error, or is a series that begins with this one's text
	}
	if k.slot >= 0 {
		p.repeat.push(value)
		if stamped {
			p.repeat.sink.Stamp(k.slot, timestamp)
		}
		p.giveExemplar()
	}
	return true
}

// idle tells whether a line of the text format says nothing.
func (p *Page) idle(line []byte) bool {
	line = p.trimmed(line)
	return len(line) == 0 || line[0] == '#' && !saysSomething(line)
}

// diverge goes over to reading in full: what the comments so far have declared is read again. The table is held.
func (p *Page) diverge() {
	r := &p.repeat
	r.same = false
	p.handOn()
	r.own = append(make([]entry, 0, len(r.entries)+16), r.entries[:r.next]...)
	slots := make([]Slot, 0, r.next)
	at, ended := p.line, p.ended
	for _, e := range r.own {
		switch k := &r.known[e]; {
		case k.slot == commentLine:
			_ = p.comment(p.trimmed([]byte(k.text))) // it could be read when it was learned
		case k.slot >= 0:
			slots = append(slots, k.slot)
			p.tell(p.current, r.families[e])
		}
	}
	p.line, p.ended, r.samples = at, ended, len(slots)
	r.sink.Diverge(slots)
}
