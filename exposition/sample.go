package exposition

import "bytes"

// sample reads a line that is not a comment.
func (p *Page) sample(line []byte) error {
	k, family, end := p.expected(line)
	if k == nil {
		k, family, end = p.elsewhere(line)
	}
	if k == nil {
		var err error
		if end, err = seriesEnd(line); err != nil {
			return err
		}
	}
	value, timestamp, stamped, err := p.numbers(line[end:])
	if err != nil {
		return err
	}
	if k != nil {
		return p.give(k.slot, family, p.current, value, timestamp, stamped)
	}
	slot, family, of, err := p.lookUp(line[:end])
	if err != nil {
		return err
	}
	return p.give(slot, family, of, value, timestamp, stamped)
}

// elsewhere gives a known line with labels that is not where it is expected, as expected does. A series' text ends with its
// first brace that is not in quotes: what is known up to the line's last brace is the whole series, and need not be
// gone through quote by quote. A line with an exemplar is not found so.
func (p *Page) elsewhere(line []byte) (k *known, family string, end int) {
	end = bytes.LastIndexByte(line, '}') + 1
	if end == 0 {
		return nil, "", 0
	}
	e, ok := p.recall(p.context(), line[:end])
	if !ok {
		return nil, "", 0
	}
	return &p.index.known[e], p.index.families[e], end
}

// give hands a sample on.
func (p *Page) give(slot Slot, family string, of *declared, value float64, timestamp int64, stamped bool) error {
	if slot == NoSlot {
		return nil
	}
	if p.samples++; p.limits.Samples > 0 && p.samples > p.limits.Samples {
		return p.limit("sample_limit", p.limits.Samples)
	}
	p.repeat.samples++
	p.tell(of, family)
	p.sink.Sample(slot, value, timestamp, stamped)
	p.giveExemplar()
	return nil
}

// tell says once a page what the declaration that a line stands under says of its family.
func (p *Page) tell(of *declared, family string) {
	if of != nil && !of.told && of.start == nil {
		of.told = true
		p.sink.Meta(family, of.typ, of.help, of.unit)
	}
}

func (p *Page) limit(key string, limit int) error {
	p.err = &LimitError{Key: key, Limit: limit, Format: p.format, Line: p.line}
	return p.err
}

// numbers reads what follows the series: value, timestamp, exemplar.
func (p *Page) numbers(rest []byte) (value float64, timestamp int64, stamped bool, err error) {
	if p.format == OpenMetrics {
		return p.openMetricsNumbers(rest)
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

// lookUp finds the line's slot, in the table, or by reading labels, relabeling and asking the sink; the family by which
// the sink knows it; and the declaration that the line belongs to, nil where it has none.
func (p *Page) lookUp(text []byte) (Slot, string, *declared, error) {
	c := p.context()
	e, ok := p.recall(c, text)
	if !ok && p.alone() {
		e, ok = p.recall(c, text)
	}
	if ok {
		return p.index.known[e].slot, p.index.families[e], p.current, nil
	}
	return p.learn(text, c)
}

// recall finds a line in the table, and notes it.
func (p *Page) recall(c context, text []byte) (entry, bool) {
	e, ok := p.find(c, text)
	if ok {
		p.note(e, true)
	}
	return e, ok
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
		var ok bool
		if d.context, ok = p.table.contextOf(p.key); !ok {
			p.holdAlone()
			d.context = p.table.context(p.key)
		}
	}
	return d.context
}
