package realbin

import (
	"math/rand/v2"
	"sync"
)

// Ports below the kernel's ephemeral range (32768 and up on Linux): between FreePort and the server's listen, no
// outgoing connection can be given the port.
const (
	firstPort = 20000
	lastPort  = 32000
)

// ports remembers what this process has given out. Other test processes are kept apart by chance, and by the second
// try of those who start a server.
var ports = portSet{given: map[int]bool{}}

type portSet struct {
	mu    sync.Mutex
	given map[int]bool
}

// next is a random port not given before; 0 where the draw was taken.
func (s *portSet) next() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	port := firstPort + rand.IntN(lastPort-firstPort)
	if s.given[port] {
		return 0
	}
	s.given[port] = true
	return port
}
