//go:build unix

package scraper

import (
	"errors"
	"os"
	"syscall"
)

// asksAtOnce: conn.takeTurn works here.
const asksAtOnce = true

// isStill tells whether a socket has nothing to read, not even its end. Go's sockets never block.
func isStill(fd uintptr) bool {
	var b [1]byte
	_, err := syscall.Read(int(fd), b[:])
	return errors.Is(err, syscall.EAGAIN) || errors.Is(err, syscall.EINTR)
}

// takeTurn sends the question, and when it is called again, reads what there is by then. It is called once more whenever there
// is something to read since the first call, until it says that it is done.
func (c *conn) takeTurn(fd uintptr) (done bool) {
	a := &c.asking
	if len(a.question) > 0 {
		n, err := uninterrupted(func() (int, error) { return syscall.Write(int(fd), a.question) })
		if err != nil && !errors.Is(err, syscall.EAGAIN) {
			a.err = os.NewSyscallError("write", err)
			return true
		}
		a.question = a.question[max(n, 0):]
		return len(a.question) > 0
	}
	stack := c.pieces()
	piece := stack.get()
	n, err := uninterrupted(func() (int, error) { return syscall.Read(int(fd), piece) })
	switch {
	case errors.Is(err, syscall.EAGAIN):
		stack.put(piece)
		return false
	case err != nil:
		stack.put(piece)
		a.err = os.NewSyscallError("read", err)
	default:
		a.piece, a.n = piece, n
	}
	return true
}

// uninterrupted calls again what a signal has interrupted.
func uninterrupted(call func() (int, error)) (int, error) {
	for {
		if n, err := call(); !errors.Is(err, syscall.EINTR) {
			return n, err
		}
	}
}
