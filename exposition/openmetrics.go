package exposition

import "bytes"

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

// exemplarLabels checks a label set without a name, in place: a known line with an exemplar allocates nothing.
func exemplarLabels(text []byte) error {
	for i := 1; i < len(text)-1; {
		begin := i
		for i < len(text) && isName(text[i]) {
			i++
		}
		if i == begin && text[i] == '"' {
			if i = quoteEnd(text, i) + 1; i == 0 {
				return errExemplar
			}
		}
		if i == begin || i+1 >= len(text) || text[i] != '=' || text[i+1] != '"' {
			return errExemplar
		}
		end := quoteEnd(text, i+1)
		if end < 0 {
			return errExemplar
		}
		if i = end + 1; text[i] == ',' {
			i++
		}
	}
	return nil
}
