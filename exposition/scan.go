package exposition

import (
	"bytes"
	"errors"
	"strings"
	"unicode/utf8"
)

// The errors of a line; a ParseError carries them with the line's number.
var (
	errName        = errors.New("a metric name is expected")
	errLabels      = errors.New("labels are not closed, or not name=\"value\" with commas between")
	errUTF8        = errors.New("a label value is not valid UTF-8")
	errValue       = errors.New("a number is expected")
	errTimestamp   = errors.New("the timestamp is not a number")
	errTrailing    = errors.New("something follows after the sample")
	errEmpty       = errors.New("a name is empty")
	errNUL         = errors.New("a name has a NUL byte, which Prometheus cannot read")
	errTwice       = errors.New("a label name is there twice")
	errBound       = errors.New("a bucket needs a label le that is a number")
	errUnit        = errors.New("the unit is not the end of the family's name, after a _")
	errExemplar    = errors.New("the exemplar cannot be read")
	errMeta        = errors.New("a comment that begins like metadata is not")
	errType        = errors.New("the type is not known")
	errBlank       = errors.New("OpenMetrics allows no blank line")
	errAfterEOF    = errors.New("something follows after # EOF")
	errNoEOF       = errors.New("the page ends without # EOF: it is not whole")
	errCut         = errors.New("the page ends inside a line, and its length was not told: it is not whole")
	errLongLine    = errors.New("the line is longer than 1 MiB")
	errCommentOnly = errors.New("OpenMetrics allows no other comment than HELP, TYPE, UNIT and EOF")
)

func isBlank(c byte) bool { return c == ' ' || c == '\t' }

func isNameStart(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '_' || c == ':'
}

func isName(c byte) bool { return isNameStart(c) || c >= '0' && c <= '9' }

// nameEnd is where the metric name at the line's begin ends; 0 where there is none.
func nameEnd(line []byte) int {
	if len(line) == 0 || !isNameStart(line[0]) {
		return 0
	}
	i := 1
	for i < len(line) && isName(line[i]) {
		i++
	}
	return i
}

// seriesEnd is where name and labels end, without a look at what they are.
func seriesEnd(line []byte) (int, error) {
	i := nameEnd(line)
	open := i
	for open < len(line) && isBlank(line[open]) {
		open++
	}
	if open == len(line) || line[open] != '{' {
		if i == 0 {
			return 0, errName
		}
		return i, nil
	}
	for i = open + 1; i < len(line); i++ {
		switch line[i] {
		case '}':
			return i + 1, nil
		case '"':
			if i = quoteEnd(line, i); i < 0 {
				return 0, errLabels
			}
		}
	}
	return 0, errLabels
}

// quoteEnd is the place of the quote that closes the one at i; -1 where none does.
func quoteEnd(line []byte, i int) int {
	for i++; i < len(line); i++ {
		n := bytes.IndexByte(line[i:], '"')
		if n < 0 {
			return -1
		}
		if i += n; !escaped(line, i) {
			return i
		}
	}
	return -1
}

// escaped tells whether an odd number of backslashes stands before i.
func escaped(line []byte, i int) bool {
	n := 0
	for i--; i >= 0 && line[i] == '\\'; i-- {
		n++
	}
	return n%2 == 1
}

// parseSeries reads name and labels of what seriesEnd has found. The labels are in the page's order, and in the scratch.
func parseSeries(text []byte, strict bool, s *scratch) (name string, labels Labels, err error) {
	i := nameEnd(text)
	name = s.texts.copy(text[:i])
	p := labelParser{text: text, at: i, strict: strict, texts: &s.texts}
	p.blanks()
	if p.at == len(text) {
		return name, nil, nil
	}
	labels = s.labels[:0]
	defer func() { s.labels = labels[:0] }()
	p.at++ // the brace, which seriesEnd has seen
	for {
		p.blanks()
		if p.peek() == '}' {
			break
		}
		if err := p.pair(&name, &labels); err != nil {
			return "", nil, err
		}
		p.blanks()
		if p.peek() == ',' {
			p.at++
			continue
		}
		if p.peek() != '}' && strict { // text needs no comma, as in Prometheus
			return "", nil, errLabels
		}
	}
	if name == "" {
		return "", nil, errName
	}
	return name, labels, nil
}

type labelParser struct {
	text   []byte
	at     int
	strict bool // OpenMetrics: no blanks
	texts  *texts
}

func (p *labelParser) peek() byte {
	if p.at < len(p.text) {
		return p.text[p.at]
	}
	return 0
}

func (p *labelParser) blanks() {
	for !p.strict && isBlank(p.peek()) {
		p.at++
	}
}

// pair reads `name="value"`, or the quoted metric name that may stand among the labels once.
func (p *labelParser) pair(metric *string, labels *Labels) error {
	name, quoted, err := p.labelName()
	if err != nil {
		return err
	}
	p.blanks()
	if p.peek() != '=' {
		if next := p.peek(); !quoted || *metric != "" || next != ',' && next != '}' {
			return errLabels
		}
		if name == "" {
			return errEmpty
		}
		*metric = name
		return nil
	}
	if name == "" {
		return errEmpty // Prometheus refuses the whole page in its scrape loop: ours would spoil the merged page
	}
	p.at++
	p.blanks()
	value, err := p.quoted()
	if err != nil {
		return err
	}
	*labels = append(*labels, Label{name, value})
	return nil
}

func (p *labelParser) labelName() (name string, quoted bool, err error) {
	if p.peek() == '"' {
		if name, err = p.quoted(); err == nil && strings.IndexByte(name, 0) >= 0 {
			err = errNUL
		}
		return name, true, err
	}
	begin := p.at
	for isName(p.peek()) && p.peek() != ':' {
		p.at++
	}
	if begin == p.at || p.text[begin] >= '0' && p.text[begin] <= '9' {
		return "", false, errLabels
	}
	return p.texts.copy(p.text[begin:p.at]), false, nil
}

func (p *labelParser) quoted() (string, error) {
	if p.peek() != '"' {
		return "", errLabels
	}
	end := quoteEnd(p.text, p.at)
	if end < 0 {
		return "", errLabels
	}
	raw := p.text[p.at+1 : end]
	p.at = end + 1
	if !utf8.Valid(raw) {
		return "", errUTF8
	}
	if bytes.IndexByte(raw, '\\') < 0 {
		return p.texts.copy(raw), nil
	}
	return unescape(raw), nil
}

var valueReplacer = strings.NewReplacer(`\"`, `"`, `\\`, `\`, `\n`, "\n")

func unescape(raw []byte) string {
	if bytes.IndexByte(raw, '\\') < 0 {
		return string(raw)
	}
	return valueReplacer.Replace(string(raw))
}

var helpReplacer = strings.NewReplacer(`\\`, `\`, `\n`, "\n")

// token cuts the next word off.
func token(rest []byte) (word, after []byte) {
	for len(rest) > 0 && isBlank(rest[0]) {
		rest = rest[1:]
	}
	i := 0
	for i < len(rest) && !isBlank(rest[i]) {
		i++
	}
	return rest[:i], rest[i:]
}
