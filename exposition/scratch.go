package exposition

import (
	"hash/maphash"
	"sync"
)

// scratch is what a page needs while it reads a series in full.
type scratch struct {
	labels Labels
	texts  texts
}

// scratches keep names and values that the next page's series will have too.
var scratches = sync.Pool{New: func() any { return new(scratch) }}

// texts gives one copy of names and values that many series repeat. Of each two that fall together it forgets the one that
// came first for a third: it never grows.
type texts struct{ kept [512][2]string }

// maxKeptText is how long texts are that may be kept for a series that never comes again.
const maxKeptText = 128

var textSeed = maphash.MakeSeed()

func (t *texts) copy(b []byte) string {
	if len(b) > maxKeptText {
		return string(b)
	}
	kept := &t.kept[maphash.Bytes(textSeed, b)%uint64(len(t.kept))]
	switch string(b) {
	case kept[0]:
		return kept[0]
	case kept[1]:
		return kept[1]
	}
	kept[0], kept[1] = string(b), kept[0]
	return kept[0]
}
