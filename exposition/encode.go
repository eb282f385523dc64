package exposition

import (
	"io"
	"strings"

	"github.com/prometheus/common/model"
)

// flushAt is how much is gathered before it is written.
const flushAt = 64 << 10

// Encode writes a page. The order is the caller's; families without a series are left out.
func Encode(w io.Writer, enc Encoding, families []Family) error {
	e := &encoder{w: w, enc: enc, names: map[string]string{}}
	for i := range families {
		if len(families[i].Series) == 0 {
			continue
		}
		if enc.Format == OpenMetrics {
			e.openMetricsFamily(&families[i])
		} else {
			e.textFamily(&families[i])
		}
		if e.err != nil {
			return e.err
		}
	}
	if enc.Format == OpenMetrics {
		e.buf = append(e.buf, "# EOF\n"...)
	}
	e.flush()
	return e.err
}

// encoder gathers lines in one buffer.
type encoder struct {
	w     io.Writer
	enc   Encoding
	buf   []byte
	err   error
	names map[string]string // escaped
}

func (e *encoder) flush() {
	if e.err == nil {
		_, e.err = e.w.Write(e.buf)
	}
	e.buf = e.buf[:0]
}

// name gives a name as the encoding can carry it.
func (e *encoder) name(name string) string {
	if model.LegacyValidation.IsValidMetricName(name) || e.enc.Escaping == model.NoEscaping {
		return name
	}
	escaped, ok := e.names[name]
	if !ok {
		escaped = model.EscapeName(name, e.enc.Escaping)
		e.names[name] = escaped
	}
	return escaped
}

// comment appends `# WHAT name text`.
func (e *encoder) comment(what, name, text string) {
	e.buf = append(e.buf, "# "...)
	e.buf = append(e.buf, what...)
	e.buf = append(e.buf, ' ')
	e.buf = appendName(e.buf, e.name(name))
	e.buf = append(e.buf, ' ')
	e.buf = append(e.buf, text...)
	e.buf = append(e.buf, '\n')
}

// appendName quotes a name that the format's grammar does not have.
func appendName(dst []byte, name string) []byte {
	if model.LegacyValidation.IsValidMetricName(name) {
		return append(dst, name...)
	}
	dst = append(dst, '"')
	dst = appendEscaped(dst, name, true)
	return append(dst, '"')
}

// appendEscaped escapes backslash, newline and, where quoted, the quote.
func appendEscaped(dst []byte, s string, quoted bool) []byte {
	if !strings.ContainsAny(s, "\\\n\"") {
		return append(dst, s...)
	}
	for i := range len(s) {
		switch c := s[i]; {
		case c == '\\':
			dst = append(dst, `\\`...)
		case c == '\n':
			dst = append(dst, `\n`...)
		case c == '"' && quoted:
			dst = append(dst, `\"`...)
		default:
			dst = append(dst, c)
		}
	}
	return dst
}

// sample appends a line up to its value: name and suffix, labels, and le or quantile where extra names it.
func (e *encoder) sample(name, suffix string, labels Labels, extra string, bound, value float64) {
	full := e.name(name + suffix)
	legacy := model.LegacyValidation.IsValidMetricName(full)
	if legacy {
		e.buf = append(e.buf, full...)
	}
	if !legacy || len(labels) > 0 || extra != "" {
		e.buf = append(e.buf, '{')
		if !legacy {
			e.buf = appendName(e.buf, full)
			e.buf = append(e.buf, ',')
		}
		e.labels(labels)
		if extra != "" {
			e.buf = append(e.buf, extra...)
			e.buf = append(e.buf, `="`...)
			e.buf = AppendBound(e.buf, bound)
			e.buf = append(e.buf, `",`...)
		}
		e.buf[len(e.buf)-1] = '}' // in place of the last comma
	}
	e.buf = append(e.buf, ' ')
	e.buf = AppendFloat(e.buf, value)
}

// labels appends each label with a comma after it.
func (e *encoder) labels(labels Labels) {
	for _, l := range labels {
		name := l.Name
		if !model.LegacyValidation.IsValidLabelName(name) {
			if e.enc.Escaping != model.NoEscaping {
				name = e.name(name)
			}
			e.buf = appendQuotedUnlessLegacy(e.buf, name)
		} else {
			e.buf = append(e.buf, name...)
		}
		e.buf = append(e.buf, `="`...)
		e.buf = appendEscaped(e.buf, l.Value, true)
		e.buf = append(e.buf, `",`...)
	}
}

func appendQuotedUnlessLegacy(dst []byte, name string) []byte {
	if model.LegacyValidation.IsValidLabelName(name) {
		return append(dst, name...)
	}
	dst = append(dst, '"')
	dst = appendEscaped(dst, name, true)
	return append(dst, '"')
}

func (e *encoder) endLine() {
	e.buf = append(e.buf, '\n')
	if len(e.buf) >= flushAt {
		e.flush()
	}
}

// line is a whole sample without an exemplar.
func (e *encoder) line(name, suffix string, labels Labels, value float64) {
	e.sample(name, suffix, labels, "", 0, value)
	e.endLine()
}
