package merge

import (
	"strconv"
	"time"
)

// durable is what a fold needs to be made again by another process.
//
// Records (Save) have what is not of present incarnations: what folded ones left, and departed ones. Pages
// (AppendHead, Say) have what present ones say. A page shows a departure only after a record has it, so a crash leaves a
// page that is as new as the records, or an older one; never a newer one that lacks something, because a page takes
// with it what no record has yet. Of an older page
//
//   - an incarnation that the records do not know any more is folded, and left out;
//   - of one that departed, whoever moved last is right: each departure and each return counts as a move, and the
//     record of a departed one stays when it returns, until it departs anew or is folded;
//   - a line whose life is later than the page is left out.
type durable struct {
	epoch time.Time // zero of the fold's own clock
	asOf  time.Time // when the fold was last told what time it is

	life         uint64 // the last that was given
	unsavedLines []Slot // whose life no record has yet
	tail         []byte // they, encoded; nil: anew
	forgotten    uint64 // the last life when all was forgotten on purpose

	change      uint64 // counts changes of what only records have
	savedChange uint64
	saves       uint64 // the number of the last Save
	saved       uint64 // the last that is durable
	first       *Save  // since Say: it is durable before the page
	stored      map[string]struct{}
	chunks      []chunk // of the dictionary, in records that are durable
	nextChunk   uint64

	pages       uint64 // how many pages are safe
	compactions uint64 // how often lines were let go

	metaBytes []byte // HELP and UNIT, encoded; nil: anew
}

// chunk is a record of the dictionary.
type chunk struct {
	key     string
	entries int
}

// Keys of records.
const (
	stateKey       = "state"
	linesPrefix    = "lines/"
	departedPrefix = "departed/"
)

func (inc *Incarnation) departedKey() string { return departedPrefix + strconv.FormatUint(inc.seq, 10) }

// UID names an incarnation in its instance for ever.
func (inc *Incarnation) UID() uint64 { return inc.seq }

// changed notes that what only records have is not as they have it.
func (f *Fold) changed() { f.change++ }

// Unsaved tells whether a Save is needed before the next page is shown: somebody departed, or what departed ones left
// has changed. A page that is shown without it, because the disk is full, carries it.
func (f *Fold) Unsaved() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.unsaved()
}

// maxTail is how many bytes of new lines pages carry on before a record takes them.
const maxTail = 16 << 10

// LongTail tells whether a Save should follow, so that pages need not carry the new lines on.
func (f *Fold) LongTail() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.tailBytes()) > maxTail
}

func (f *Fold) unsaved() bool { return f.change != f.savedChange }

func (f *Fold) tailBytes() []byte {
	if f.tail == nil {
		f.tail = f.appendEntries([]byte{}, f.unsavedLines)
	}
	return f.tail
}

// Paged says that a page is safe. The lines that Compact lets go are given to others only after
// some of them.
func (f *Fold) Paged() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.pages++
}
