package exposition

import (
	"bytes"
	"encoding/binary"
	"math"
	"slices"
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protowire"
)

// metric is one message of a family: all the samples of a label set.
type metric struct {
	of        *declared
	value     []byte // of the family's type
	timestamp int64
	stamped   bool
}

// keyHead is what the text of a sample has before the labels as they stand in the page: part and bound.
const keyHead = 1 + 8

// readMetric reads a message and hands its samples on, in the order that they have in text. The labels go into p.key.
func (p *Page) readMetric(d *declared, value int, b []byte) error {
	s := metric{of: d}
	p.context()
	p.key = append(p.key[:0], make([]byte, keyHead)...)
	m := message{rest: b, kinds: metricKinds}
	for m.next() {
		switch m.number {
		case value:
			m.broken = m.broken || s.value != nil
			s.value = m.bytes
		case 1:
			p.key = protowire.AppendBytes(p.key, m.bytes)
		case 6:
			s.timestamp, s.stamped = int64(m.bits), true //nolint:gosec // so it was written
		}
	}
	switch {
	case m.broken:
		return errWire
	case s.value == nil:
		return errNoValue
	case len(p.key) > maxLine:
		return errLongLabels
	case s.timestamp < 0:
		return errTimestamp
	}
	switch d.typ {
	case Histogram, GaugeHistogram:
		return p.readHistogram(&s)
	case Summary:
		return p.readSummary(&s)
	default:
		return p.readValue(&s)
	}
}

func (p *Page) readValue(s *metric) error {
	value := 0.0
	kinds := valueKinds
	if s.of.typ == Counter {
		kinds = counterKinds
	}
	var exemplar []byte
	m := message{rest: s.value, kinds: kinds}
	for m.next() {
		switch m.number {
		case 1:
			value = m.float()
		case 2:
			exemplar = m.bytes
		}
	}
	if m.broken {
		return errWire
	}
	if s.of.typ == Counter && exemplar != nil {
		return p.exemplary(s, PartValue, 0, value, exemplar)
	}
	return p.part(s, PartValue, 0, value)
}

// readSummary hands on quantiles, sum and count.
func (p *Page) readSummary(s *metric) error {
	var count uint64
	var sum float64
	m := message{rest: s.value, kinds: summaryKinds}
	for m.next() {
		switch m.number {
		case 1:
			count = m.bits
		case 2:
			sum = m.float()
		case 3:
			if err := p.readQuantile(s, m.bytes); err != nil {
				return err
			}
		}
	}
	if m.broken {
		return errWire
	}
	if err := p.part(s, PartSum, 0, sum); err != nil {
		return err
	}
	return p.part(s, PartCount, 0, float64(count))
}

func (p *Page) readQuantile(s *metric, b []byte) error {
	var quantile, value float64
	m := message{rest: b, kinds: quantileKinds}
	for m.next() {
		switch m.number {
		case 1:
			quantile = m.float()
		case 2:
			value = m.float()
		}
	}
	if m.broken {
		return errWire
	}
	return p.part(s, PartQuantile, quantile, value)
}

// readHistogram hands on buckets, sum and count. Of a native histogram that is all there is yet, with +Inf as its only
// bucket.
func (p *Page) readHistogram(s *metric) error {
	var count counted
	var sum float64
	infinite := false
	m := message{rest: s.value, kinds: histKinds}
	for m.next() {
		switch m.number {
		case 1:
			count.whole = m.bits
		case 2:
			sum = m.float()
		case 3:
			bound, err := p.readBucket(s, m.bytes)
			if err != nil {
				return err
			}
			infinite = infinite || math.IsInf(bound, 1)
		case 4:
			count.float = m.float()
		}
	}
	if m.broken {
		return errWire
	}
	if !infinite {
		if err := p.part(s, PartBucket, math.Inf(1), count.value()); err != nil {
			return err
		}
	}
	if err := p.part(s, PartSum, 0, sum); err != nil {
		return err
	}
	return p.part(s, PartCount, 0, count.value())
}

func (p *Page) readBucket(s *metric, b []byte) (bound float64, err error) {
	var count counted
	var exemplar []byte
	m := message{rest: b, kinds: bucketKinds}
	for m.next() {
		switch m.number {
		case 1:
			count.whole = m.bits
		case 2:
			bound = m.float()
		case 3:
			exemplar = m.bytes
		case 4:
			count.float = m.float()
		}
	}
	if m.broken {
		return 0, errWire
	}
	if exemplar != nil {
		return bound, p.exemplary(s, PartBucket, bound, count.value(), exemplar)
	}
	return bound, p.part(s, PartBucket, bound, count.value())
}

// counted is a count, which a histogram of floats has as one.
type counted struct {
	whole uint64
	float float64
}

func (c counted) value() float64 {
	if c.float != 0 {
		return c.float
	}
	return float64(c.whole)
}

// part hands on one sample. A sample that the table knows costs a look-up by what stands in the page.
func (p *Page) part(s *metric, part Part, bound, value float64) error {
	if math.IsNaN(value) {
		value = math.NaN() // text has but one
	}
	p.key[0] = byte(part)
	binary.LittleEndian.PutUint64(p.key[1:], math.Float64bits(bound))
	e, ok := p.find(s.of.context, p.key)
	if !ok && p.alone() {
		e, ok = p.find(s.of.context, p.key)
	}
	if ok {
		return p.give(p.index.known[e].slot, p.index.families[e], s.of, value, s.timestamp, s.stamped)
	}
	slot, family, of, err := p.learnPart(s.of, part, bound)
	if err != nil {
		return err
	}
	return p.give(slot, family, of, value, s.timestamp, s.stamped)
}

// learnPart reads a sample's series in full.
func (p *Page) learnPart(d *declared, part Part, bound float64) (Slot, string, *declared, error) {
	labels, err := readLabels(p.key[keyHead:])
	if err != nil {
		return NoSlot, "", nil, err
	}
	switch part {
	case PartBucket:
		labels = append(labels, Label{"le", string(AppendBound(nil, bound))})
	case PartQuantile:
		labels = append(labels, Label{"quantile", string(AppendBound(nil, bound))})
	default:
	}
	return p.learnSeries(d.name+d.suffix(part), labels, d.context, p.key)
}

// suffix is what a part's name has after the family's.
func (d *declared) suffix(part Part) string {
	for _, s := range suffixes {
		if s.part == part && part != PartValue && slices.Contains(s.types, d.typ) {
			return s.suffix
		}
	}
	return ""
}

// readLabels reads what readMetric has put together.
func readLabels(b []byte) (Labels, error) {
	var labels Labels
	for len(b) > 0 {
		one, n := protowire.ConsumeBytes(b)
		b = b[n:]
		l, err := readLabel(one)
		if err != nil {
			return nil, err
		}
		labels = append(labels, l)
	}
	return labels, nil
}

// labelPair gives a label's name and value as the page has them; false where they cannot be read.
func labelPair(b []byte) (name, value []byte, ok bool) {
	m := message{rest: b, kinds: labelKinds}
	for m.next() {
		switch m.number {
		case 1:
			name = m.bytes
		case 2:
			value = m.bytes
		}
	}
	return name, value, !m.broken
}

func readLabel(b []byte) (Label, error) {
	name, value, ok := labelPair(b)
	switch {
	case !ok:
		return Label{}, errWire
	case len(name) == 0:
		return Label{}, errEmpty
	case !utf8.Valid(name):
		return Label{}, errNameUTF8
	case bytes.IndexByte(name, 0) >= 0:
		return Label{}, errNUL
	case !utf8.Valid(value):
		return Label{}, errUTF8
	}
	return Label{string(name), string(value)}, nil
}
