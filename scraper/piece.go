package scraper

import "sync"

// Answers are read into pieces, of one of two sizes: of a thousand workers that are asked for the first time, many hold one
// while they wait for what another learns.
const (
	pieceSize = 64 << 10
	shortSize = 16 << 10
)

// pieces and shortPieces are those that are not in use.
var pieces, shortPieces = pieceStack{size: pieceSize}, pieceStack{size: shortSize}

// piecesFor gives where to take one for a body of this length, in bytes; 0 where that is not known.
func piecesFor(length int64) *pieceStack {
	if length > 0 && length < shortSize {
		return &shortPieces
	}
	return &pieces
}

// putPiece gives one back to those of its size.
func putPiece(p []byte) {
	if len(p) == shortSize {
		shortPieces.put(p)
	} else {
		pieces.put(p)
	}
}

// mostPieces are kept of a size, however many workers have answered at once.
const mostPieces = 64

// pieceStack is safe for concurrent use. A sync.Pool would let all go with each second collection of garbage. The last one
// given back goes out first: it is still in the processor's caches.
type pieceStack struct {
	size int
	mu   sync.Mutex
	free [][]byte
}

func (s *pieceStack) get() []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := len(s.free)
	if n == 0 {
		return make([]byte, s.size)
	}
	p := s.free[n-1]
	s.free = s.free[:n-1]
	return p
}

func (s *pieceStack) put(p []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.free) < mostPieces {
		s.free = append(s.free, p)
	}
}
