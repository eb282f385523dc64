package exposition

import "bytes"

// openMetricsNumbers reads ` value[ timestamp][ # {labels} value[ timestamp]]`, with single blanks as the format has it.
// The exemplar goes to p.exemplar.
func (p *Page) openMetricsNumbers(rest []byte) (value float64, timestamp int64, stamped bool, err error) {
	p.exemplar.Labels = nil
	word, rest, ok := cutWord(rest)
	if !ok {
		return 0, 0, false, errValue
	}
	if value, ok = parseValue(word); !ok {
		return 0, 0, false, errValue
	}
	if len(rest) > 0 && !bytes.HasPrefix(rest, []byte(" # ")) {
		if word, rest, ok = cutWord(rest); !ok {
			return 0, 0, false, errTimestamp
		}
		if timestamp, ok = parseSeconds(word); !ok {
			return 0, 0, false, errTimestamp
		}
		stamped = true
	}
	if len(rest) > 0 {
		p.exemplar, err = readExemplar(rest)
	}
	return value, timestamp, stamped, err
}

// cutWord cuts one blank and the word after it off.
func cutWord(rest []byte) (word, after []byte, ok bool) {
	if len(rest) < 2 || rest[0] != ' ' || rest[1] == ' ' {
		return nil, nil, false
	}
	rest = rest[1:]
	i := bytes.IndexByte(rest, ' ')
	if i < 0 {
		i = len(rest)
	}
	return rest[:i], rest[i:], true
}
