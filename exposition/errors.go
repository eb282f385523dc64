package exposition

import (
	"fmt"
	"strings"
)

// ParseError is a page that cannot be read.
type ParseError struct {
	Format  Format
	Line    int // counted from 1; of protobuf the message
	Reason  string
	Excerpt string // of the line, valid UTF-8
}

func (e *ParseError) Error() string {
	if e.Excerpt == "" {
		return fmt.Sprintf("%s %d: %s", e.Format.unit(), e.Line, e.Reason)
	}
	return fmt.Sprintf("%s %d: %s: %q", e.Format.unit(), e.Line, e.Reason, e.Excerpt)
}

// LimitError is a page over a limit of the configuration.
type LimitError struct {
	Key    string // of the configuration
	Limit  int
	Format Format
	Line   int // as of a ParseError
}

func (e *LimitError) Error() string {
	return fmt.Sprintf("%s %d: over %s (%d)", e.Format.unit(), e.Line, e.Key, e.Limit)
}

const maxExcerpt = 60

func excerpt(line []byte) string {
	if len(line) > maxExcerpt {
		line = line[:maxExcerpt]
	}
	return strings.ToValidUTF8(string(line), "\uFFFD")
}
