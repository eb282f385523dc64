package exposition

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math"
	"slices"
	"strings"
	"sync"
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protowire"
)

// maxMessage bounds a family, which is one message, and with it what a page keeps between two pieces.
const maxMessage = 64 << 20

// maxTrusted is how much room a length that was told gets before the bytes are there.
const maxTrusted = 1 << 20

// The errors of a message; a ParseError carries them with the message's number.
var (
	errWire        = errors.New("the message is not that of a metric family")
	errLongMessage = errors.New("the message is longer than 64 MiB, or its length is no number")
	errCutMessage  = errors.New("the page ends inside a message: it is not whole")
	errNoName      = errors.New("the family has no name")
	errNameUTF8    = errors.New("a name is not valid UTF-8")
	errHelp        = errors.New("the help or the unit is not valid UTF-8")
	errNoValue     = errors.New("a series lacks the value that the family's type wants")
	errLongLabels  = errors.New("the labels of a series are longer than 1 MiB")
)

// messages is how far a page is whose messages each have their length before them.
type messages struct {
	length uint64 // of the message that comes, as far as it was read
	shift  uint   // bits of the length that were read
	known  bool   // all of it was
	kept   *[]byte
}

// buffers keep what has come of a message that is not whole yet.
var buffers = sync.Pool{New: func() any { return new([]byte) }}

// writeMessages takes the next piece of a protobuf page.
func (p *Page) writeMessages(piece []byte) (int, error) {
	n := len(piece)
	p.standAlone()
	p.hold()
	defer p.letGo()
	for len(piece) > 0 {
		var err error
		if p.messages.known {
			piece, err = p.readMessage(piece)
		} else {
			piece, err = p.readLength(piece)
		}
		if err != nil {
			p.messages.giveBack()
			return 0, err
		}
	}
	return n, nil
}

// closeMessages ends a protobuf page: each message tells its length, so that one that is cut is known for it.
func (p *Page) closeMessages() error {
	p.standAlone()
	p.messages.giveBack()
	if p.messages.shift > 0 {
		return p.fail(errCutMessage, nil)
	}
	return nil
}

// standAlone lets go of the lines that are expected: a protobuf page has none.
func (p *Page) standAlone() {
	if p.repeat.sink != nil {
		p.repeat.sink.Diverge(nil)
		p.repeat = repeat{}
	}
}

// readLength reads what stands before a message.
func (p *Page) readLength(piece []byte) ([]byte, error) {
	m := &p.messages
	for i, c := range piece {
		if m.shift == 0 {
			p.line++
		}
		m.length |= uint64(c&0x7F) << m.shift
		m.shift += 7
		switch {
		case m.length > maxMessage || m.shift > 7*binary.MaxVarintLen32:
			return nil, p.fail(errLongMessage, nil)
		case c < 0x80 && m.length == 0:
			return nil, p.fail(errNoName, nil)
		case c < 0x80:
			m.known = true
			return piece[i+1:], nil
		}
	}
	return nil, nil
}

// readMessage reads a message that is whole, and keeps what has come of one that is not.
func (p *Page) readMessage(piece []byte) ([]byte, error) {
	m := &p.messages
	had := 0
	if m.kept != nil {
		had = len(*m.kept)
	}
	missing := int(m.length) - had //nolint:gosec // at most maxMessage
	if len(piece) < missing {
		m.keep(piece, missing)
		return nil, nil
	}
	whole := piece[:missing]
	if had > 0 {
		m.keep(whole, missing)
		whole = *m.kept
		*m.kept = whole[:0]
	}
	m.length, m.shift, m.known = 0, 0, false
	return piece[missing:], p.readFamily(whole)
}

// keep remembers a piece of a message. How much is said to be missing is not believed beyond maxTrusted, and no more than
// what has come: a length costs nothing.
func (m *messages) keep(piece []byte, missing int) {
	if m.kept == nil {
		m.kept = buffers.Get().(*[]byte)
	}
	if b := *m.kept; cap(b)-len(b) < len(piece) {
		*m.kept = slices.Grow(b, min(missing, max(len(b), len(piece), maxTrusted)))
	}
	*m.kept = append(*m.kept, piece...)
}

func (m *messages) giveBack() {
	if m.kept != nil {
		*m.kept = (*m.kept)[:0]
		buffers.Put(m.kept)
		m.kept = nil
	}
}

// message goes through the fields of one, without a copy of what they hold.
type message struct {
	rest  []byte
	kinds []protowire.Type // by number, what the fields that are read have to be

	number int
	bits   uint64 // of a number
	bytes  []byte // of what has a length
	broken bool
}

// anyKind is for fields that are read over.
const anyKind protowire.Type = -1

// next goes to the next field; false at the end, or where the message is broken.
func (m *message) next() bool {
	if len(m.rest) == 0 {
		return false
	}
	number, kind, n := protowire.ConsumeTag(m.rest)
	if n < 0 || int(number) < len(m.kinds) && m.kinds[number] != anyKind && m.kinds[number] != kind {
		m.broken = true
		return false
	}
	rest, taken := m.rest[n:], 0
	switch kind {
	case protowire.VarintType:
		m.bits, taken = protowire.ConsumeVarint(rest)
	case protowire.Fixed64Type:
		m.bits, taken = protowire.ConsumeFixed64(rest)
	case protowire.BytesType:
		m.bytes, taken = protowire.ConsumeBytes(rest)
	default:
		taken = protowire.ConsumeFieldValue(number, kind, rest)
	}
	if taken < 0 {
		m.broken = true
		return false
	}
	m.number, m.rest = int(number), rest[taken:]
	return true
}

// float is the field's number.
func (m *message) float() float64 { return math.Float64frombits(m.bits) }

// The fields of messages, by number.
var (
	familyKinds = []protowire.Type{
		anyKind, protowire.BytesType, protowire.BytesType, protowire.VarintType, protowire.BytesType, protowire.BytesType,
	}
	metricKinds = []protowire.Type{
		anyKind, protowire.BytesType, protowire.BytesType, protowire.BytesType, protowire.BytesType, protowire.BytesType,
		protowire.VarintType, protowire.BytesType,
	}
	labelKinds    = []protowire.Type{anyKind, protowire.BytesType, protowire.BytesType}
	valueKinds    = []protowire.Type{anyKind, protowire.Fixed64Type}
	counterKinds  = []protowire.Type{anyKind, protowire.Fixed64Type, protowire.BytesType}
	exemplarKinds = []protowire.Type{anyKind, protowire.BytesType, protowire.Fixed64Type, protowire.BytesType}
	timeKinds     = []protowire.Type{anyKind, protowire.VarintType, protowire.VarintType}
	quantileKinds = []protowire.Type{anyKind, protowire.Fixed64Type, protowire.Fixed64Type}
	bucketKinds   = []protowire.Type{anyKind, protowire.VarintType, protowire.Fixed64Type, protowire.BytesType, protowire.Fixed64Type}
	summaryKinds  = []protowire.Type{anyKind, protowire.VarintType, protowire.Fixed64Type, protowire.BytesType}
	histKinds     = append(summaryKinds[:4:4], protowire.Fixed64Type)
)

// protoTypes are by number, with the field of a series that has the type's value.
var protoTypes = []struct {
	typ   Type
	value int
}{{Counter, 3}, {Gauge, 2}, {Summary, 4}, {Unknown, 5}, {Histogram, 7}, {GaugeHistogram, 7}}

// familyHead is a family without its series.
type familyHead struct {
	name, help, unit []byte // nil where they are not there
	typ              uint64
	empty            bool
}

// readFamily reads a message. What is wrong in it is told with the family's name.
func (p *Page) readFamily(b []byte) error {
	h, err := readHead(b)
	if err == nil && !h.empty {
		d := p.declareFamily(&h)
		value := protoTypes[h.typ].value
		m := message{rest: b, kinds: familyKinds}
		for err == nil && m.next() {
			if m.number == 4 {
				err = p.readMetric(d, value, m.bytes)
			}
		}
	}
	if err != nil && p.err == nil {
		return p.fail(err, h.name)
	}
	return err
}

func readHead(b []byte) (familyHead, error) {
	h := familyHead{empty: true}
	m := message{rest: b, kinds: familyKinds}
	for m.next() {
		switch m.number {
		case 1:
			h.name = m.bytes
		case 2:
			h.help = m.bytes
		case 3:
			h.typ = m.bits
		case 4:
			h.empty = false
		case 5:
			h.unit = m.bytes
		}
	}
	switch {
	case m.broken:
		return h, errWire
	case len(h.name) == 0:
		return h, errNoName
	case !utf8.Valid(h.name):
		return h, errNameUTF8
	case bytes.IndexByte(h.name, 0) >= 0:
		return h, errNUL
	case !utf8.Valid(h.help) || !utf8.Valid(h.unit):
		return h, errHelp
	case h.typ >= uint64(len(protoTypes)):
		return h, errType
	}
	return h, nil
}

// declareFamily is what HELP, TYPE and UNIT do in text.
func (p *Page) declareFamily(h *familyHead) *declared {
	d := p.declare(h.name)
	d.told, d.numbered = false, false
	d.typ = protoTypes[h.typ].typ
	if h.help != nil {
		d.help = p.keepText(h.help)
	}
	// client_golang lets a unit be what the name does not end in, which OpenMetrics forbids.
	if len(h.unit) > 0 && strings.HasSuffix(strings.TrimSuffix(d.name, "_total"), "_"+string(h.unit)) {
		d.unit = p.keepText(h.unit)
	}
	p.findStart(d)
	return d
}
