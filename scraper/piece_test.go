package scraper

import "testing"

// TestPiecesFor: a body that is known to be short is read into a short piece, any other into a long one; what is given back is
// used again, in its size.
func TestPiecesFor(t *testing.T) {
	for _, tt := range []struct {
		length int64
		size   int
	}{{0, pieceSize}, {1, shortSize}, {shortSize - 1, shortSize}, {shortSize, pieceSize}, {1 << 40, pieceSize}} {
		pieces := piecesFor(tt.length)
		p := pieces.get()
		if len(p) != tt.size {
			t.Errorf("%d bytes are read into a piece of %d, want %d", tt.length, len(p), tt.size)
		}
		pieces.put(p)
		if again := pieces.get(); &again[0] != &p[0] {
			t.Errorf("%d bytes: the piece given back is not used again", tt.length)
		}
		pieces.put(p)
	}
}

func TestPiecesKeptAreBounded(t *testing.T) {
	s := pieceStack{size: 1}
	for range mostPieces + 5 {
		s.put(make([]byte, 1))
	}
	if len(s.free) != mostPieces {
		t.Errorf("%d are kept, want %d", len(s.free), mostPieces)
	}
}
