package exposition

import (
	"bytes"
	"unicode/utf8"
)

var comma = []byte(",")

// exemplary hands on a sample that has an exemplar.
func (p *Page) exemplary(s *metric, part Part, bound, value float64, b []byte) (err error) {
	if p.exemplar, err = p.protoExemplar(b); err != nil {
		return err
	}
	err = p.part(s, part, bound, value)
	p.exemplar.Labels = nil // the next sample's are its own
	return err
}

// protoExemplar reads an exemplar, and writes its labels as they stand in OpenMetrics. It is left out where it could not
// stand there.
func (p *Page) protoExemplar(b []byte) (x RawExemplar, err error) {
	p.exemplarText = append(p.exemplarText[:0], '{')
	good := true
	m := message{rest: b, kinds: exemplarKinds}
	for m.next() && err == nil {
		switch m.number {
		case 1:
			good = good && len(p.exemplarText) < maxLine && p.appendPair(m.bytes)
		case 2:
			x.Value = m.float()
		case 3:
			x.Timestamp, err = readTime(m.bytes)
		}
	}
	if p.exemplarText = append(bytes.TrimSuffix(p.exemplarText, comma), '}'); m.broken || err != nil {
		return x, errWire
	}
	if good {
		if set, err := checkLabels(p.exemplarText); set && err == nil {
			x.Labels = p.exemplarText
		}
	}
	return x, nil
}

// appendPair appends a label to p.exemplarText, with a comma after it; false where it is none.
func (p *Page) appendPair(b []byte) bool {
	name, value, ok := labelPair(b)
	if !ok || !utf8.Valid(name) || !utf8.Valid(value) {
		return false
	}
	p.exemplarText = appendName(p.exemplarText, view(name), "", isLegacyLabel(view(name)))
	p.exemplarText = append(p.exemplarText, `="`...)
	p.exemplarText = append(appendEscaped(p.exemplarText, view(value), true), `",`...)
	return true
}

// readTime reads a time in seconds and nanoseconds.
func readTime(b []byte) (float64, error) {
	var seconds, nanos int64
	m := message{rest: b, kinds: timeKinds}
	for m.next() {
		switch m.number {
		case 1:
			seconds = int64(m.bits) //nolint:gosec // so it was written
		case 2:
			nanos = int64(int32(m.bits)) //nolint:gosec // so it was written
		}
	}
	if m.broken {
		return 0, errWire
	}
	return float64(seconds) + float64(nanos)/1e9, nil
}
