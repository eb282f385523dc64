package web

import (
	"errors"
	"net/http"
	"slices"
	"strconv"
	"sync"
)

// maxWhole is up to how many bytes a body is held back until it is whole.
const maxWhole = 4 << 20

// whole is a body that goes out at once, with its length: each piece on its own would wake the reader, and take a core
// from who makes the next. One that is too long goes out as it comes.
type whole struct {
	w     http.ResponseWriter
	ready func() bool // waits until the body may go out; false: it must not
	body  []byte
	state bodyState
}

type bodyState uint8

const (
	heldBack bodyState = iota
	goesOut
	givenUp
)

var errGivenUp = errors.New("another page is shown")

// bodies are used again.
var bodies = sync.Pool{New: func() any { return new(whole) }}

func newWhole(w http.ResponseWriter, ready func() bool) *whole {
	b := bodies.Get().(*whole) //nolint:forcetypeassert // nothing else is put there
	b.w, b.ready = w, ready
	return b
}

// room is how much AvailableBuffer has at least: of less, who fills it would need more at once.
const room = 128 << 10

// AvailableBuffer lends room: what is appended there, and written then, is not copied.
func (b *whole) AvailableBuffer() []byte {
	if b.state != heldBack {
		return nil
	}
	b.body = slices.Grow(b.body, room)
	return b.body[len(b.body):]
}

// Grow makes room for as much as is held back of n bytes: a page that is shown for the first time would be copied again and again.
func (b *whole) Grow(n int) {
	if b.state == heldBack {
		b.body = slices.Grow(b.body, min(n, maxWhole)+room)
	}
}

// lent tells whether p is in the room that was lent.
func (b *whole) lent(p []byte) bool {
	n := len(b.body)
	return len(p) > 0 && len(p) <= cap(b.body)-n && &b.body[:n+1][n] == &p[0]
}

func (b *whole) Write(p []byte) (int, error) {
	switch {
	case b.state != heldBack || len(b.body)+len(p) > maxWhole:
	case b.lent(p):
		b.body = b.body[:len(b.body)+len(p)]
		return len(p), nil
	default:
		b.body = append(b.body, p...)
		return len(p), nil
	}
	if b.state == heldBack && b.open() {
		if _, err := b.w.Write(b.body); err != nil {
			return 0, err
		}
	}
	if b.state == givenUp {
		return 0, errGivenUp
	}
	return b.w.Write(p)
}

// open waits until the body may go out; false where it must not.
func (b *whole) open() bool {
	if b.state = givenUp; b.ready() {
		b.state = goesOut
	}
	return b.state == goesOut
}

// end sends what is held back.
func (b *whole) end() {
	if b.state == heldBack && b.open() {
		b.w.Header().Set("Content-Length", strconv.Itoa(len(b.body)))
		_, _ = b.w.Write(b.body) // the reader is gone: nobody is there to tell
	}
	*b = whole{body: b.body[:0]}
	bodies.Put(b)
}
