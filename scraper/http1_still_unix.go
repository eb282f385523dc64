//go:build unix

package scraper

import (
	"errors"
	"syscall"
)

// isStill tells whether a socket has nothing to read, not even its end. Go's sockets never block.
func isStill(fd uintptr) bool {
	var b [1]byte
	_, err := syscall.Read(int(fd), b[:])
	return errors.Is(err, syscall.EAGAIN) || errors.Is(err, syscall.EINTR)
}
