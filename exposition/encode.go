package exposition

import (
	"io"
	"strings"
	"sync"

	"github.com/prometheus/common/model"
)

// flushAt is how much is gathered before it is written.
const flushAt = 64 << 10

// all writes a family, if it has a series.
func (e *encoder) all(f *Family) {
	switch {
	case len(f.Series) == 0:
	case e.enc.Format == OpenMetrics:
		e.openMetricsFamily(f)
	default:
		e.textFamily(f)
	}
}

// end ends a page.
func (e *encoder) end() error {
	if e.enc.Format == OpenMetrics {
		e.buf = append(e.buf, "# EOF\n"...)
	}
	e.write()
	return e.err
}

// encoders are used again, for their buffers.
var encoders = sync.Pool{New: func() any { return &encoder{labelNames: map[string]string{}} }}

// encoder gathers lines in one buffer.
type encoder struct {
	w          io.Writer
	lender     lender // w, where it lends room; else nil
	enc        Encoding
	buf        []byte
	own        []byte    // where buf is lent
	under      *Series   // whose lines come
	labels     []byte    // of the series under way, each with a comma after it: a histogram writes them on every line
	labeled    bool      // labels are those of the series
	name       string    // of the lines before
	legacy     bool      // name needs no quotes
	making     *formText // nil: numbers are written, not noted
	err        error
	labelNames map[string]string // as they are written, of those that need quotes or escapes
	texts      []*formText       // of the families that are written
}

// release gives the encoder back, without what the page was of: of one that broke off, lines that nobody got are left.
func (e *encoder) release() {
	clear(e.labelNames)
	clear(e.texts)
	e.giveBack()
	if e.buf = e.buf[:0]; cap(e.buf) > 4*flushAt { // of a form that was made
		e.buf = nil
	}
	e.w, e.under, e.name, e.making, e.err = nil, nil, "", nil, nil
	encoders.Put(e)
}

func (e *encoder) flush() {
	e.write()
	e.buf = e.buf[:0]
	e.borrow()
}

func (e *encoder) write() {
	if e.err == nil {
		_, e.err = e.w.Write(e.buf)
	}
}

// borrow takes the room that the lender has by now; where it has none, the encoder's own.
func (e *encoder) borrow() {
	if e.lender == nil {
		return
	}
	if e.buf = e.lender.AvailableBuffer(); cap(e.buf) == 0 {
		e.giveBack()
	}
}

func (e *encoder) giveBack() {
	if e.lender != nil {
		e.lender, e.buf, e.own = nil, e.own[:0], nil
	}
}

// lender is a Writer that lends the room behind what it has, as bytes.Buffer does: what is appended there, and written then, need
// not be copied.
type lender interface {
	io.Writer
	AvailableBuffer() []byte
	// Grow makes room for n more bytes at once.
	Grow(n int)
}

// writeTo begins a page of about so many bytes.
func (e *encoder) writeTo(w io.Writer, enc Encoding, size int) {
	e.w, e.enc = w, enc
	if l, ok := w.(lender); ok {
		l.Grow(size)
		e.lender, e.own = l, e.buf
		e.borrow()
	}
}

// family gives a family's name as the encoding can carry it. It is escaped before a suffix is cut off or added: escaping
// by dots or values doubles the underscore of a suffix, and `x_bucket` would no longer be of `x`.
func (e *encoder) family(name string) string {
	if isLegacyMetric(name) {
		return name
	}
	return model.EscapeName(name, e.enc.Escaping)
}

// head appends `# WHAT name text`.
func (e *encoder) head(what, name, suffix, text string) {
	e.comment(what, name, suffix)
	e.buf = append(e.buf, text...)
	e.buf = append(e.buf, '\n')
}

// help appends a HELP line, if there is a text.
func (e *encoder) help(name, suffix, text string, quoted bool) {
	if text != "" {
		e.comment("HELP", name, suffix)
		e.buf = appendEscaped(e.buf, text, quoted)
		e.buf = append(e.buf, '\n')
	}
}

func (e *encoder) comment(what, name, suffix string) {
	e.buf = append(e.buf, "# "...)
	e.buf = append(e.buf, what...)
	e.buf = append(e.buf, ' ')
	e.buf = appendName(e.buf, name, suffix, isLegacyMetric(name))
	e.buf = append(e.buf, ' ')
}

// series turns to the lines of a series.
func (e *encoder) series(s *Series) { e.under, e.labeled = s, false }

// sample appends a line up to its value's end: name and suffix, the series' labels, and le or quantile where extra names it.
func (e *encoder) sample(name, suffix, extra string, bound, value float64) {
	e.constant(name, suffix, extra, bound)
	if e.making != nil {
		e.making.ends, e.making.places = append(e.making.ends, len(e.buf)), append(e.making.places, int32(value)-1)
		return
	}
	e.buf = AppendFloat(e.buf, value)
}

// constant appends what of a line is the same from page to page.
func (e *encoder) constant(name, suffix, extra string, bound float64) {
	if e.name != name {
		e.name, e.legacy = name, isLegacyMetric(name)
	}
	if !e.labeled {
		e.labels, e.labeled = e.appendLabels(e.labels[:0], e.under.Labels), true
	}
	legacy := e.legacy
	if legacy {
		e.buf = appendName(e.buf, name, suffix, true)
	}
	if !legacy || len(e.labels) > 0 || extra != "" {
		e.buf = append(e.buf, '{')
		if !legacy {
			e.buf = append(appendName(e.buf, name, suffix, false), ',')
		}
		e.buf = append(e.buf, e.labels...)
		if extra != "" {
			e.buf = append(e.buf, extra...)
			e.buf = append(e.buf, `="`...)
			e.buf = append(AppendBound(e.buf, bound), `",`...)
		}
		e.buf[len(e.buf)-1] = '}' // in place of the last comma
	}
	e.buf = append(e.buf, ' ')
}

// line is a whole sample without an exemplar.
func (e *encoder) line(name, suffix string, value float64) {
	e.sample(name, suffix, "", 0, value)
	e.endLine()
}

func (e *encoder) endLine() {
	e.buf = append(e.buf, '\n')
	if len(e.buf) >= flushAt && e.making == nil {
		e.flush()
	}
}

// appendLabels appends each label with a comma after it.
func (e *encoder) appendLabels(dst []byte, labels Labels) []byte {
	for i, l := range labels {
		name := e.labelName(l.Name)
		if e.enc.Escaping != model.NoEscaping && name != l.Name && e.hidden(name, labels, i) {
			continue
		}
		dst = append(dst, name...)
		dst = append(dst, `="`...)
		dst = appendEscaped(dst, l.Value, true)
		dst = append(dst, `",`...)
	}
	return dst
}

// labelName gives a label's name as the encoding can carry it, in quotes where it needs them. A colon is for metrics
// only, which model.EscapeName does not know.
func (e *encoder) labelName(name string) string {
	if isLegacyLabel(name) {
		return name
	}
	written, ok := e.labelNames[name]
	if !ok {
		if e.enc.Escaping == model.NoEscaping {
			written = string(appendName(nil, name, "", false))
		} else {
			written = strings.ReplaceAll(model.EscapeName(name, e.enc.Escaping), ":", "_")
		}
		e.labelNames[name] = written
	}
	return written
}

// hidden tells whether another label of the series has the name that escaping gave this one: one that bears it in
// truth, or an earlier one that became it too. Prometheus refuses a page where a label is there twice.
func (e *encoder) hidden(written string, labels Labels, at int) bool {
	if written == model.MetricNameLabel {
		return true
	}
	for i, l := range labels {
		if l.Name == written || i < at && e.labelName(l.Name) == written {
			return true
		}
	}
	return false
}

// appendName quotes a name that the format's grammar does not have.
func appendName(dst []byte, name, suffix string, legacy bool) []byte {
	if legacy {
		return append(append(dst, name...), suffix...)
	}
	dst = append(dst, '"')
	dst = append(appendEscaped(dst, name, true), suffix...)
	return append(dst, '"')
}

// appendEscaped escapes backslash, newline and, where quoted, the quote.
func appendEscaped(dst []byte, s string, quoted bool) []byte {
	done := 0
	for i := range len(s) {
		c := s[i]
		if c != '\\' && c != '\n' && (c != '"' || !quoted) {
			continue
		}
		if c == '\n' {
			c = 'n'
		}
		dst = append(dst, s[done:i]...)
		dst = append(dst, '\\', c)
		done = i + 1
	}
	return append(dst, s[done:]...)
}

func isLegacyMetric(name string) bool {
	if name == "" || !isNameStart(name[0]) {
		return false
	}
	for i := range len(name) {
		if !isName(name[i]) {
			return false
		}
	}
	return true
}

func isLegacyLabel(name string) bool { return isLegacyMetric(name) && strings.IndexByte(name, ':') < 0 }
