package exposition

import (
	"bytes"
	"encoding/binary"
)

// maxLine bounds a line, and with it what a page keeps between two pieces.
const maxLine = 1 << 20

// Page reads one page, in pieces of any size. It belongs to one goroutine.
type Page struct {
	format  Format
	table   *Table
	sink    Sink
	limits  Limits
	relabel RelabelFunc

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
	return &Page{
		format: format, table: table, sink: sink, limits: limits, relabel: relabel, families: map[string]*declared{},
	}
}

// Samples is how many samples the page has so far.
func (p *Page) Samples() int { return p.samples }

// Write takes the next piece. After an error it takes nothing more.
func (p *Page) Write(piece []byte) (int, error) {
	if p.err != nil {
		return 0, p.err
	}
	n := len(piece)
	p.table.mu.RLock()
	defer p.table.mu.RUnlock()
	for len(piece) > 0 {
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
	if len(p.rest) > 0 {
		if !lengthTold && p.format == Text {
			p.line++
			return p.fail(errCut, p.rest)
		}
		p.table.mu.RLock()
		err := p.take(p.rest)
		p.table.mu.RUnlock()
		p.rest = nil
		if err != nil {
			return err
		}
	}
	if p.format == OpenMetrics && !p.ended {
		return p.fail(errNoEOF, nil)
	}
	return nil
}

func (p *Page) fail(err error, line []byte) error {
	p.err = &ParseError{Line: p.line, Reason: err.Error(), Excerpt: excerpt(line)}
	return p.err
}

// take reads one line, without its end. The table is read-locked.
func (p *Page) take(line []byte) error {
	p.line++
	if len(line) > maxLine {
		return p.fail(errLongLine, line)
	}
	if n := len(line); n > 0 && line[n-1] == '\r' {
		line = line[:n-1]
	}
	if p.ended {
		if len(bytes.TrimSpace(line)) == 0 {
			return nil
		}
		return p.fail(errAfterEOF, line)
	}
	if p.format == Text {
		for len(line) > 0 && isBlank(line[0]) {
			line = line[1:]
		}
	}
	switch {
	case len(line) == 0 && p.format == OpenMetrics:
		return p.fail(errBlank, line)
	case len(line) == 0:
		return nil
	case line[0] == '#':
		return p.comment(line)
	}
	if err := p.sample(line); err != nil {
		if p.err == nil {
			return p.fail(err, line)
		}
		return p.err
	}
	return nil
}

// sample reads a line that is not a comment.
func (p *Page) sample(line []byte) error {
	end, err := seriesEnd(line)
	if err != nil {
		return err
	}
	value, timestamp, stamped, err := p.numbers(line[end:])
	if err != nil {
		return err
	}
	k, of, err := p.lookUp(line[:end])
	if err != nil || k.slot == NoSlot {
		return err
	}
	if p.samples++; p.limits.Samples > 0 && p.samples > p.limits.Samples {
		return p.limit("sample_limit", p.limits.Samples)
	}
	if of != nil && !of.told && of.start == nil {
		of.told = true
		p.sink.Meta(k.family, of.typ, of.help, of.unit)
	}
	p.sink.Sample(k.slot, value, timestamp, stamped)
	return nil
}

func (p *Page) limit(key string, limit int) error {
	p.err = &LimitError{Key: key, Limit: limit, Line: p.line}
	return p.err
}

// numbers reads what follows the series: value, timestamp, exemplar.
func (p *Page) numbers(rest []byte) (value float64, timestamp int64, stamped bool, err error) {
	if p.format == OpenMetrics {
		return openMetricsNumbers(rest)
	}
	word, rest := token(rest)
	value, ok := parseValue(word)
	if !ok {
		return 0, 0, false, errValue
	}
	if word, rest = token(rest); len(word) > 0 {
		if timestamp, ok = parseMilliseconds(word); !ok {
			return 0, 0, false, errTimestamp
		}
		stamped = true
	}
	if word, _ = token(rest); len(word) > 0 {
		return 0, 0, false, errTrailing
	}
	return value, timestamp, stamped, nil
}

// lookUp finds the line's slot, in the table, or by reading labels, relabeling and asking the sink; and the declaration
// that the line belongs to, nil where it has none.
func (p *Page) lookUp(text []byte) (known, *declared, error) {
	p.key = binary.LittleEndian.AppendUint64(p.key[:0], uint64(p.context()))
	p.key = append(p.key, text...)
	if k, ok := p.table.lines[string(p.key)]; ok {
		return k, p.current, nil
	}
	p.table.mu.RUnlock()
	defer p.table.mu.RLock()
	return p.learn(text)
}

// context is the number of the declaration that lines stand under now. What stands before any declaration depends on
// the format alone.
func (p *Page) context() context {
	d := p.current
	if d == nil {
		return context(p.format)
	}
	if !d.numbered {
		d.numbered = true
		p.key = append(p.key[:0], byte(p.format), byte(d.typ))
		p.key = appendString(p.key, d.name)
		if d.start != nil {
			p.key = append(p.key, byte(d.start.Type))
			p.key = appendString(p.key, d.start.Family)
		}
		p.table.mu.RUnlock()
		d.context = p.table.context(p.key)
		p.table.mu.RLock()
	}
	return d.context
}
