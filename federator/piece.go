package federator

import "sync"

// piece is what a body is read into.
type piece [64 << 10]byte

// pieces are those that are not in use. The last one given back goes out first: it is still in the processor's caches.
var pieces pieceStack

// mostPieces are kept, however many workers have answered at once.
const mostPieces = 64

// pieceStack is safe for concurrent use. A sync.Pool would let all go with each second collection of garbage.
type pieceStack struct {
	mu   sync.Mutex
	free []*piece
}

func (s *pieceStack) get() *piece {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := len(s.free)
	if n == 0 {
		return new(piece)
	}
	p := s.free[n-1]
	s.free = s.free[:n-1]
	return p
}

func (s *pieceStack) put(p *piece) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.free) < mostPieces {
		s.free = append(s.free, p)
	}
}
