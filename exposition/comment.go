package exposition

import (
	"bytes"
	"strings"
	"unicode/utf8"
)

// comment reads a line that begins with `#`.
func (p *Page) comment(line []byte) error {
	if p.format == OpenMetrics {
		return p.openMetricsComment(line)
	}
	if !saysSomething(line) {
		return nil
	}
	word, rest := token(line[1:])
	return p.meta(line, string(word), rest)
}

// saysSomething tells whether a comment of the text format is HELP or TYPE.
func saysSomething(line []byte) bool {
	rest := line[1:]
	if len(rest) == 0 || !isBlank(rest[0]) {
		return false
	}
	word, rest := token(rest)
	return (string(word) == "HELP" || string(word) == "TYPE") && len(rest) > 0
}

func (p *Page) openMetricsComment(line []byte) error {
	if string(line) == "# EOF" {
		p.ended = true
		return nil
	}
	if len(line) < 7 || line[1] != ' ' || line[6] != ' ' {
		return p.fail(errCommentOnly, line)
	}
	switch kind := string(line[2:6]); kind {
	case "HELP", "TYPE", "UNIT":
		return p.meta(line, kind, line[7:])
	default:
		return p.fail(errCommentOnly, line)
	}
}

// meta reads HELP, TYPE or UNIT. What follows is about the family that it names.
func (p *Page) meta(line []byte, kind string, rest []byte) error {
	name, text, ok := p.metaName(rest)
	if !ok {
		return p.fail(errMeta, line)
	}
	d := p.declare(name)
	d.told = false // client_golang's OpenMetrics has a gauge x and a counter x_total under one name, with a HELP each
	switch kind {
	case "HELP":
		d.help = p.helpText(text)
	case "UNIT":
		if len(text) > 0 && !strings.HasSuffix(d.name, "_"+string(text)) {
			return p.fail(errUnit, line)
		}
		d.unit = p.keepText(text)
	case "TYPE":
		types := textTypes
		if p.format == OpenMetrics {
			types = omTypes
		}
		if d.typ, ok = types[string(text)]; !ok {
			return p.fail(errType, line)
		}
		p.findStart(d)
		d.numbered = false
	}
	return nil
}

// metaName cuts the family's name, quoted or not, off a comment.
func (p *Page) metaName(rest []byte) (name, text []byte, ok bool) {
	if p.format == Text {
		rest = bytes.TrimLeft(rest, " \t")
	}
	if len(rest) > 0 && rest[0] == '"' {
		end := quoteEnd(rest, 0)
		if end < 0 || !utf8.Valid(rest[:end]) || bytes.IndexByte(rest[:end], 0) >= 0 {
			return nil, nil, false
		}
		name, text = []byte(unescape(rest[1:end])), rest[end+1:]
	} else {
		end := nameEnd(rest)
		name, text = rest[:end], rest[end:]
	}
	if len(name) == 0 || p.format == OpenMetrics && (len(text) == 0 || text[0] != ' ') {
		return nil, nil, false
	}
	if len(text) > 0 {
		text = text[1:] // a blank, in text whatever ends the name, as in Prometheus
	}
	return name, text, utf8.Valid(text)
}

// declare makes the family the current one.
func (p *Page) declare(name []byte) *declared {
	if p.current != nil && p.current.name == string(name) {
		return p.current
	}
	d := p.families[string(name)]
	if d == nil {
		d = &declared{name: p.keepText(name)}
		if p.families == nil {
			p.families = map[string]*declared{}
		}
		p.families[d.name] = d
	}
	p.current = d
	return d
}

// helpText unescapes a HELP text.
func (p *Page) helpText(text []byte) string {
	if bytes.IndexByte(text, '\\') < 0 {
		return p.keepText(text)
	}
	if p.format == OpenMetrics {
		return valueReplacer.Replace(string(text))
	}
	return helpReplacer.Replace(string(text))
}

// keepText keeps a text as one copy for all pages.
func (p *Page) keepText(text []byte) string {
	if len(text) == 0 {
		return ""
	}
	if s, ok := p.table.text(text); ok {
		return s
	}
	p.holdAlone()
	return p.table.intern(text)
}
