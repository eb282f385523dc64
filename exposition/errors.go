package exposition

import (
	"fmt"
	"strings"
)

// ParseError is a page that cannot be read.
type ParseError struct {
	Line    int // counted from 1
	Reason  string
	Excerpt string // of the line, valid UTF-8
}

func (e *ParseError) Error() string {
	if e.Excerpt == "" {
		return fmt.Sprintf("line %d: %s", e.Line, e.Reason)
	}
	return fmt.Sprintf("line %d: %s: %q", e.Line, e.Reason, e.Excerpt)
}

// LimitError is a page over a limit of the configuration.
type LimitError struct {
	Key   string // of the configuration
	Limit int
	Line  int
}

func (e *LimitError) Error() string {
	return fmt.Sprintf("line %d: over %s (%d)", e.Line, e.Key, e.Limit)
}

const maxExcerpt = 60

func excerpt(line []byte) string {
	if len(line) > maxExcerpt {
		line = line[:maxExcerpt]
	}
	return strings.ToValidUTF8(string(line), "\uFFFD")
}
