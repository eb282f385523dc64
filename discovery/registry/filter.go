package registry

import (
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// maxFilter bounds a filter, and with it how deep its parentheses can nest.
const maxFilter = 8 << 10

// keepFunc tells whether an entry passes the filter.
type keepFunc func(fields) bool

// parseFilter reads ?filter, in the language of Consul's filters. zero is an entry of the kind that will be filtered: a
// selector that it does not have is an error, even where there is no entry at all.
func parseFilter(r *http.Request, zero fields) (keepFunc, error) {
	text := r.URL.Query().Get("filter")
	if text == "" {
		return func(fields) bool { return true }, nil
	}
	keep, err := compileFilter(text, zero)
	if err != nil {
		return nil, fail(http.StatusInternalServerError, "Failed to create boolean expression evaluator: %v", err)
	}
	return keep, nil
}

func compileFilter(text string, zero fields) (keepFunc, error) {
	if len(text) > maxFilter {
		return nil, fmt.Errorf("filter of %d bytes, the limit is %d", len(text), maxFilter)
	}
	tokens, err := lexFilter(text)
	if err != nil {
		return nil, err
	}
	p := &filterParser{tokens: tokens, zero: zero}
	keep, err := p.or()
	if err != nil {
		return nil, err
	}
	if p.peek() != (token{}) {
		return nil, p.unexpected("and, or, or the end")
	}
	return keep, nil
}

// filterParser goes down the grammar: or binds loosest, then and, then not.
type filterParser struct {
	tokens []token
	zero   fields
}

func (p *filterParser) peek() token {
	if len(p.tokens) == 0 {
		return token{}
	}
	return p.tokens[0]
}

func (p *filterParser) next() token {
	t := p.peek()
	p.tokens = p.tokens[min(1, len(p.tokens)):]
	return t
}

// take takes the word if it is next.
func (p *filterParser) take(word string) bool {
	if t := p.peek(); t.quoted || !strings.EqualFold(t.text, word) {
		return false
	}
	p.next()
	return true
}

func (p *filterParser) unexpected(want string) error {
	if p.peek() == (token{}) {
		return fmt.Errorf("no match found, expected: %s, not the end", want)
	}
	return fmt.Errorf("no match found, expected: %s, not %q", want, p.peek().text)
}

func (p *filterParser) or() (keepFunc, error) {
	left, err := p.and()
	for err == nil && p.take("or") {
		var right keepFunc
		first := left
		right, err = p.and()
		left = func(f fields) bool { return first(f) || right(f) }
	}
	return left, err
}

func (p *filterParser) and() (keepFunc, error) {
	left, err := p.not()
	for err == nil && p.take("and") {
		var right keepFunc
		first := left
		right, err = p.not()
		left = func(f fields) bool { return first(f) && right(f) }
	}
	return left, err
}

func (p *filterParser) not() (keepFunc, error) {
	if p.take("not") {
		keep, err := p.not()
		return func(f fields) bool { return !keep(f) }, err
	}
	if !p.take("(") {
		return p.match()
	}
	keep, err := p.or()
	if err == nil && !p.take(")") {
		err = p.unexpected(`")"`)
	}
	return keep, err
}

// match is one comparison: SELECTOR OPERATOR VALUE, SELECTOR is empty, or VALUE in SELECTOR.
func (p *filterParser) match() (keepFunc, error) {
	operand := p.next()
	op, err := p.operator()
	if err != nil {
		return nil, err
	}
	m := comparison{op: op}
	selector := operand
	switch op.name {
	case opIn:
		if !operand.isValue() {
			return nil, errors.New("no match found, expected: a value")
		}
		m.value, selector = operand.text, p.next()
	case opEmpty:
	default:
		value := p.next()
		if value == (token{}) || !value.isValue() {
			return nil, errors.New("no match found, expected: a value")
		}
		m.value = value.text
	}
	if m.path, err = selector.path(); err != nil {
		return nil, err
	}
	if err := m.check(p.zero); err != nil {
		return nil, err
	}
	return func(f fields) bool { return m.holds(f, m.path) }, nil
}

type operator struct {
	name    string
	negated bool
}

const (
	opEqual   = "=="
	opIn      = "in" // and contains, with its sides swapped
	opMatches = "matches"
	opEmpty   = "is empty"

	opContains = "contains"
)

func (p *filterParser) operator() (operator, error) {
	switch {
	case p.take("=="):
		return operator{name: opEqual}, nil
	case p.take("!="):
		return operator{name: opEqual, negated: true}, nil
	case p.take("is"):
		negated := p.take("not")
		if !p.take("empty") {
			return operator{}, p.unexpected("empty")
		}
		return operator{name: opEmpty, negated: negated}, nil
	}
	negated := p.take("not")
	for _, name := range []string{opIn, opContains, opMatches} {
		if p.take(name) {
			return operator{name: name, negated: negated}, nil
		}
	}
	return operator{}, p.unexpected(`"!=", "==", in, contains, matches or is empty`)
}

// comparison is one match, ready to be tried on entries.
type comparison struct {
	op     operator
	path   []string
	value  string
	regexp *regexp.Regexp
}

// check refuses what can hold for no entry: an unknown selector, an operator that its type does not have, a value
// that is none of its type.
func (m *comparison) check(zero fields) error {
	value, ok := resolve(zero, m.path)
	selector := strings.Join(m.path, ".")
	if !ok {
		return fmt.Errorf("Selector %q is not valid", selector) //nolint:staticcheck // Consul's words
	}
	if !slices.Contains(operatorsOf(value), m.op.name) {
		return fmt.Errorf("Invalid match operator %q for selector %q", m.op.name, selector) //nolint:staticcheck // Consul's words
	}
	var err error
	switch value.(type) {
	case int:
		_, err = strconv.Atoi(m.value)
	case bool:
		_, err = strconv.ParseBool(m.value)
	}
	if err == nil && m.op.name == opMatches {
		m.regexp, err = regexp.Compile(m.value)
	}
	if err != nil {
		return fmt.Errorf("coerce value %q for selector %q: %w", m.value, selector, err)
	}
	return nil
}

func operatorsOf(value any) []string {
	switch value.(type) {
	case string:
		return []string{opEqual, opIn, opContains, opMatches}
	case int, bool:
		return []string{opEqual}
	case []string, map[string]string:
		return []string{opIn, opContains, opEmpty}
	}
	return nil
}
