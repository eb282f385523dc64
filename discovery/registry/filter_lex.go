package registry

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// token is a word, a sign or a quoted text of a filter. The zero token is the end.
type token struct {
	text   string
	quoted bool
}

// tokenForm is one token: a sign, a quoted text, or a word, which may be a selector with its [...] parts.
var tokenForm = regexp.MustCompile("^(?:==|!=|[()]|\"(?:[^\"\\\\]|\\\\.)*\"|`[^`]*`|" +
	"-?[0-9]+(?:\\.[0-9]+)?|[a-zA-Z][a-zA-Z0-9_/]*(?:\\.[a-zA-Z][a-zA-Z0-9_/]*|\\[\"(?:[^\"\\\\]|\\\\.)*\"\\]|\\[`[^`]*`\\])*)")

func lexFilter(text string) ([]token, error) {
	var tokens []token
	for offset := 0; ; {
		rest := strings.TrimLeft(text[offset:], " \t\r\n")
		if offset = len(text) - len(rest); rest == "" {
			return tokens, nil
		}
		found := tokenForm.FindString(rest)
		if found == "" {
			return nil, fmt.Errorf("1:%d (%d): no match found", offset+1, offset)
		}
		t, err := newToken(found)
		if err != nil {
			return nil, fmt.Errorf("1:%d (%d): %w", offset+1, offset, err)
		}
		tokens = append(tokens, t)
		offset += len(found)
	}
}

func newToken(text string) (token, error) {
	if text[0] != '"' && text[0] != '`' {
		return token{text: text}, nil
	}
	unquoted, err := strconv.Unquote(text)
	if err != nil {
		return token{}, fmt.Errorf("quoted text %s: %w", text, err)
	}
	return token{text: unquoted, quoted: true}, nil
}

// isValue tells a token that can be compared with.
func (t token) isValue() bool {
	return t.quoted || !slices.Contains([]string{"(", ")", "==", "!="}, t.text)
}

// selectorPart is a name, or what stands in brackets.
var selectorPart = regexp.MustCompile("[a-zA-Z][a-zA-Z0-9_/]*|\\[(?:\"(?:[^\"\\\\]|\\\\.)*\"|`[^`]*`)\\]")

// path takes a selector apart: Service.Meta["a-b"] is Service, Meta, a-b.
func (t token) path() ([]string, error) {
	if t.quoted || t.text == "" || !isLetter(t.text[0]) {
		return nil, fmt.Errorf("no match found, expected: a selector, not %q", t.text)
	}
	parts := selectorPart.FindAllString(t.text, -1)
	for i, part := range parts {
		if inside, ok := strings.CutPrefix(part, "["); ok {
			name, err := strconv.Unquote(strings.TrimSuffix(inside, "]"))
			if err != nil {
				return nil, fmt.Errorf("selector %s: %w", t.text, err)
			}
			parts[i] = name
		}
	}
	return parts, nil
}

func isLetter(c byte) bool { return 'a' <= c|0x20 && c|0x20 <= 'z' }
