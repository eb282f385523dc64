package exposition

import "bytes"

// maxLine bounds a line, and with it what a page keeps between two pieces.
const maxLine = 1 << 20

// Page reads one page, in pieces of any size. It belongs to one goroutine.
type Page struct {
	format  Format
	table   *Table
	index   *index // the table's, as it was when the piece began, or a newer one
	sink    Sink
	limits  Limits
	relabel RelabelFunc

	holding   holding
	foresight foresight
	repeat    repeat
	messages  messages
	exemplars ExemplarSink // nil: nobody wants them
	exemplar  RawExemplar  // of the line that is read; no labels: it has none
	// exemplarText is room for the labels of those in protobuf.
	exemplarText []byte

	families map[string]*declared
	current  *declared
	rest     []byte // of a line that has not ended yet
	key      []byte
	line     int
	samples  int
	ended    bool // # EOF was there
	err      error
}

// NewPage begins a page. relabel may be nil.
func NewPage(format Format, table *Table, sink Sink, limits Limits, relabel RelabelFunc) *Page {
	exemplars, _ := sink.(ExemplarSink)
	return &Page{format: format, table: table, sink: sink, exemplars: exemplars, limits: limits, relabel: relabel}
}

// Samples is how many samples the page has so far.
func (p *Page) Samples() int { return p.samples + p.repeat.filled }

// Write takes the next piece. After an error it takes nothing more.
func (p *Page) Write(piece []byte) (int, error) {
	if p.err != nil {
		return 0, p.err
	}
	if p.format == Protobuf {
		return p.writeMessages(piece)
	}
	n := len(piece)
	p.foresee()
	p.foresight.read += int64(n)
	p.hold()
	defer p.letGo()
	for len(piece) > 0 {
		if len(p.rest) == 0 {
			if piece = piece[p.known(piece):]; len(piece) == 0 {
				break
			}
		}
		end := bytes.IndexByte(piece, '\n')
		if end < 0 {
			return n, p.keep(piece)
		}
		line := piece[:end]
		piece = piece[end+1:]
		if len(p.rest) > 0 {
			if err := p.keep(line); err != nil {
				return 0, err
			}
			line = p.rest
		}
		err := p.take(line)
		p.rest = p.rest[:0]
		if err != nil {
			return 0, err
		}
	}
	return n, nil
}

// known reads the lines at a piece's begin that need no closer look, and gives how many bytes they have.
func (p *Page) known(piece []byte) int {
	switch {
	case p.repeat.same:
		return p.whole(piece)
	case p.holding.alone && p.holding.known == 0:
		return 0 // the line before had to be learnt
	}
	return p.familiar(piece)
}

// keep remembers the begin of a line.
func (p *Page) keep(piece []byte) error {
	if len(p.rest)+len(piece) > maxLine {
		p.line++
		return p.fail(errLongLine, p.rest)
	}
	p.rest = append(p.rest, piece...)
	return nil
}

// Close ends the page. lengthTold says that the body is known to have ended where it should.
func (p *Page) Close(lengthTold bool) error {
	if p.err != nil {
		return p.err
	}
	if p.format == Protobuf {
		return p.closeMessages()
	}
	if len(p.rest) > 0 {
		if !lengthTold && p.format == Text {
			p.line++
			return p.fail(errCut, p.rest)
		}
		p.hold()
		err := p.take(p.rest)
		p.letGo()
		p.rest = nil
		if err != nil {
			return err
		}
	}
	p.end()
	if p.format == OpenMetrics && !p.ended {
		return p.fail(errNoEOF, nil)
	}
	return nil
}

// end hands on what is left. A page that lacks the last of the expected lines is not the same.
func (p *Page) end() {
	if !p.repeat.same {
		return
	}
	if p.repeat.next < len(p.repeat.entries) {
		p.hold()
		p.diverge()
		p.letGo()
		return
	}
	p.handOn()
}

func (p *Page) fail(err error, line []byte) error {
	p.err = &ParseError{Format: p.format, Line: p.line, Reason: err.Error(), Excerpt: excerpt(line)}
	return p.err
}

// take reads one line, without its end. The table is held.
func (p *Page) take(line []byte) error {
	p.calmDown()
	if p.repeat.same {
		if p.repeats(line) {
			return nil
		}
		p.diverge()
	}
	p.line++
	if len(line) > maxLine {
		return p.fail(errLongLine, line)
	}
	raw := line
	line = p.trimmed(line)
	if p.ended {
		if len(bytes.TrimSpace(line)) == 0 {
			return nil
		}
		return p.fail(errAfterEOF, line)
	}
	switch {
	case len(line) == 0 && p.format == OpenMetrics:
		return p.fail(errBlank, line)
	case len(line) == 0:
		return nil
	case line[0] == '#':
		return p.readComment(raw, line)
	}
	if err := p.sample(line); err != nil {
		if p.err == nil {
			return p.fail(err, line)
		}
		return p.err
	}
	return nil
}

// trimmed is a line without what does not belong to it: a carriage return, in text the blanks before it.
func (p *Page) trimmed(line []byte) []byte {
	if n := len(line); n > 0 && line[n-1] == '\r' {
		line = line[:n-1]
	}
	for p.format == Text && len(line) > 0 && isBlank(line[0]) {
		line = line[1:]
	}
	return line
}

// readComment reads a comment, and notes the line as it stands in the page.
func (p *Page) readComment(raw, line []byte) error {
	if err := p.comment(line); err != nil || p.repeat.sink == nil {
		return err
	}
	slot := commentLine
	switch {
	case p.ended:
		slot = endLine
	case p.format == Text && !saysSomething(line):
		return nil
	}
	if _, ok := p.recall(commentContext, raw); !ok {
		p.holdAlone()
		p.note(p.table.learn(raw, commentContext, slot, ""))
	}
	return nil
}
