package exposition

import (
	"bytes"
	"unicode/utf8"
)

// openMetricsNumbers reads ` value[ timestamp][ # {labels} value[ timestamp]]`, with single blanks as the format has it.
func openMetricsNumbers(rest []byte) (value float64, timestamp int64, stamped bool, err error) {
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
		err = checkExemplar(rest)
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

// checkExemplar reads ` # {labels} value[ timestamp]`. A page with a broken exemplar is refused, as Prometheus does.
func checkExemplar(rest []byte) error {
	rest, ok := bytes.CutPrefix(rest, []byte(" # "))
	if !ok || len(rest) == 0 || rest[0] != '{' {
		return errExemplar
	}
	end, err := seriesEnd(rest)
	if err != nil {
		return errExemplar
	}
	if err := exemplarLabels(rest[:end]); err != nil {
		return err
	}
	word, rest, ok := cutWord(rest[end:])
	if !ok {
		return errExemplar
	}
	if _, ok := parseValue(word); !ok {
		return errExemplar
	}
	if len(rest) == 0 {
		return nil
	}
	word, rest, ok = cutWord(rest)
	if _, number := parseSeconds(word); !ok || !number || len(rest) > 0 {
		return errExemplar
	}
	return nil
}

// exemplarLabels checks a label set without a metric name, in place: a known line with an exemplar allocates nothing.
func exemplarLabels(text []byte) error {
	for i := 1; text[i] != '}'; {
		value := exemplarName(text, i)
		if value < 0 || text[value] != '=' || text[value+1] != '"' {
			return errExemplar
		}
		end := quoteEnd(text, value+1)
		if end < 0 || !utf8.Valid(text[value:end]) {
			return errExemplar
		}
		if i = end + 1; text[i] == ',' {
			i++
		} else if text[i] != '}' {
			return errExemplar
		}
	}
	return nil
}

// exemplarName is the end of the label name at i, quoted or not; -1 where there is none. The text ends in a brace.
func exemplarName(text []byte, i int) int {
	if text[i] == '"' {
		if i = quoteEnd(text, i); i < 0 {
			return -1
		}
		return i + 1
	}
	if text[i] >= '0' && text[i] <= '9' {
		return -1
	}
	begin := i
	for isName(text[i]) && text[i] != ':' {
		i++
	}
	if i == begin {
		return -1
	}
	return i
}
