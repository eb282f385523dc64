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
	_, err := uninterrupted(func() (int, error) { return syscall.Read(int(fd), b[:]) })
	return errors.Is(err, syscall.EAGAIN)
}

// takeTurn sends the question, and when it is called again, reads what there is by then, until it says that it is done. It is called
// again for what comes after its first call, and for nothing that came before: that has to be read in the first one. On a kept
// connection there must be none, on a new one it may be the answer of a worker that does not wait to be asked.
func (c *conn) takeTurn(fd uintptr) (done bool) {
	a := &c.asking
	if len(a.question) > 0 {
		if c.kept && !isStill(fd) {
			a.err = errNotStill
			return true
		}
		n, err := uninterrupted(func() (int, error) { return syscall.Write(int(fd), a.question) })
		if err != nil && !errors.Is(err, syscall.EAGAIN) {
			a.err = os.NewSyscallError("write", err)
			return true
		}
		if a.question = a.question[max(n, 0):]; len(a.question) > 0 || c.kept {
			return len(a.question) > 0
		}
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
