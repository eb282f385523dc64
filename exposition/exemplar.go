package exposition

import (
	"bytes"
	"cmp"
	"math"
	"slices"
	"strings"
	"unicode/utf8"
)

// ExemplarSink is a Sink that takes exemplars too.
type ExemplarSink interface {
	Sink
	// Exemplar is that of the sample which was the page's at-th, counted from 0 over those that have a slot. It comes after
	// its sample, be it by Sample, or by a Repeat that is still under way. It is valid during the call.
	Exemplar(at int, x RawExemplar)
}

// RawExemplar is an exemplar as a page has it, not copied yet: of ten thousand that come with a page few are kept.
type RawExemplar struct {
	// Labels are as OpenMetrics writes them, in braces. They are a set, and not longer than Prometheus stores them.
	Labels []byte
	// Value and Timestamp are those of Exemplar.
	Value, Timestamp float64
}

// maxExemplar is how many characters the names and values of an exemplar's labels may have together, as OpenMetrics has
// it and Prometheus demands. A longer one is left out, and its sample counts.
const maxExemplar = 128

// giveExemplar hands the exemplar on of the sample that was handed on last.
func (p *Page) giveExemplar() {
	if p.exemplar.Labels != nil && p.exemplars != nil {
		p.exemplars.Exemplar(p.Samples()-1, p.exemplar)
	}
}

// readExemplar reads ` # {labels} value[ timestamp]`. A page with a broken exemplar is refused, as Prometheus does; one
// that could spoil the merged page is left out.
func readExemplar(rest []byte) (x RawExemplar, err error) {
	rest, ok := bytes.CutPrefix(rest, []byte(" # "))
	if !ok || len(rest) == 0 || rest[0] != '{' {
		return x, errExemplar
	}
	end, err := seriesEnd(rest)
	if err != nil {
		return x, errExemplar
	}
	text := rest[:end]
	set, err := checkLabels(text)
	if err != nil {
		return x, err
	}
	word, rest, ok := cutWord(rest[end:])
	if !ok {
		return x, errExemplar
	}
	if x.Value, ok = parseValue(word); !ok {
		return x, errExemplar
	}
	if len(rest) > 0 {
		word, rest, _ = cutWord(rest)
		if x.Timestamp, ok = parseValue(word); !ok || math.IsNaN(x.Timestamp) || math.IsInf(x.Timestamp, 0) || len(rest) > 0 {
			return x, errExemplar
		}
	}
	if set {
		x.Labels = text
	}
	return x, nil
}

// checkLabels checks a label set without a metric name, in place: a known line with an exemplar allocates nothing. set is
// whether it is one that any page may have, and not too long.
func checkLabels(text []byte) (set bool, err error) {
	set = true
	room := maxExemplar
	if len(text) <= maxExemplar {
		room = math.MaxInt // no need to count
	}
	for i := 1; text[i] != '}'; {
		value := exemplarName(text, i)
		if value < 0 || text[value] != '=' || text[value+1] != '"' {
			return false, errExemplar
		}
		end := quoteEnd(text, value+1)
		if end < 0 || !utf8.Valid(text[value:end]) {
			return false, errExemplar
		}
		name := unquoted(text[i:value])
		if room < math.MaxInt {
			room -= characters(name) + characters(text[value+2:end])
		}
		set = set && room >= 0 && isNewName(text[:i], name, text[i] == '"')
		if i = end + 1; text[i] == ',' {
			i++
		} else if text[i] != '}' {
			return false, errExemplar
		}
	}
	return set && bytes.IndexByte(text, 0) < 0, nil // at a NUL byte Prometheus' parser gives up
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

// unquoted is a name without its quotes, if it has some.
func unquoted(name []byte) []byte {
	if name[0] == '"' {
		return name[1 : len(name)-1]
	}
	return name
}

// cutLabel gives the name and the value at i, as they are written, and where the next label is.
func cutLabel(text []byte, i int) (name, value []byte, next int) {
	end := exemplarName(text, i)
	name = unquoted(text[i:end])
	begin := end + 2
	end = quoteEnd(text, begin-1)
	if next = end + 1; text[next] == ',' {
		next++
	}
	return name, text[begin:end], next
}

// isNewName tells whether a label name, as it is written after others, is one that any page may have, and none of theirs. A
// name that needs an escape is nobody's: it is left out, so that names can be compared as they are written.
func isNewName(before, name []byte, quoted bool) bool {
	if quoted && (len(name) == 0 || bytes.IndexByte(name, '\\') >= 0 || !utf8.Valid(name)) {
		return false
	}
	for i := 1; i < len(before); {
		other, _, next := cutLabel(before, i)
		if bytes.Equal(other, name) {
			return false
		}
		i = next
	}
	return true
}

// characters counts those of a name or a value, each escape as one.
func characters(text []byte) int {
	n := utf8.RuneCount(text)
	for i := bytes.IndexByte(text, '\\'); i >= 0 && i+1 < len(text); i++ {
		if text[i] == '\\' && strings.IndexByte(`\"n`, text[i+1]) >= 0 {
			n--
			i++
		}
	}
	return n
}

// Copy gives an exemplar to keep.
func (x RawExemplar) Copy() *Exemplar {
	out := &Exemplar{Value: x.Value, Timestamp: x.Timestamp}
	text := bytes.Clone(x.Labels) // one copy, of which names and values are parts
	for i := 1; text[i] != '}'; {
		name, value, next := cutLabel(text, i)
		l := Label{Name: view(name), Value: view(value)}
		if strings.IndexByte(l.Value, '\\') >= 0 {
			l.Value = valueReplacer.Replace(l.Value)
		}
		out.Labels = append(out.Labels, l)
		i = next
	}
	slices.SortFunc(out.Labels, func(a, b Label) int { return cmp.Compare(a.Name, b.Name) })
	return out
}
