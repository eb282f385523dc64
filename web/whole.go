package web

import (
	"errors"
	"net/http"
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

func (b *whole) Write(p []byte) (int, error) {
	if b.state == heldBack && len(b.body)+len(p) <= maxWhole {
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
