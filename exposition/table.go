package exposition

import (
	"hash/maphash"
	"strings"
	"sync"
	"sync/atomic"
)

// bytesPerEntry is how long lines and texts may be on average before a table counts as full.
const bytesPerEntry = 256

// Table knows which slot a line's text has. It is shared by all pages of an instance, and safe for concurrent use: one page
// learns while others read what is known.
type Table struct {
	index atomic.Pointer[index] // what pages read by

	mu    sync.Mutex // for who learns
	max   int
	size  int64 // bytes of all lines, declarations and texts
	last  context
	chunk *strings.Builder

	naming   sync.RWMutex // for what follows; to change it, mu is held too
	contexts map[string]context
	texts    map[string]string // names, HELP and UNIT, one copy each

	common   atomic.Int64 // how many lines the last page had that was not as expected, maxCommon at most
	foreseen atomic.Int64 // how many lines were foreseen for a page last, maxCommon at most
}

// entry numbers the lines that a table knows.
type entry uint32

// known is one line: of a sample the text of its series and the declaration that it stands under, of a comment all of it.
type known struct {
	text    string
	slot    Slot
	context context
}

// slots of lines that are no samples.
const (
	commentLine Slot = -2 - iota
	endLine          // # EOF
)

// context numbers what a line's meaning depends on beside its text: the family that it stands under.
type context uint32

// firstContext leaves a number to each format, for lines that stand under no family.
const firstContext context = 16

// commentContext is that of HELP, TYPE, UNIT and EOF, as they stand in pages.
const commentContext = firstContext - 1

// NewTable gives a table that is emptied where it holds more than maxEntries lines, or lines that are too long.
func NewTable(maxEntries int) *Table {
	t := &Table{max: maxEntries, last: firstContext}
	t.reset()
	return t
}

// reset forgets everything. Numbers of contexts are never given twice, so that pages under way may go on with theirs.
func (t *Table) reset() {
	t.naming.Lock()
	defer t.naming.Unlock()
	t.contexts, t.texts = map[string]context{}, map[string]string{}
	t.size, t.chunk = 0, new(strings.Builder)
	seed, epoch := maphash.MakeSeed(), 0
	if old := t.index.Load(); old != nil {
		seed, epoch = old.seed, old.epoch+1
	}
	t.index.Store(newIndex(firstPlaces, seed, epoch))
}

// admit makes room for one entry in a map of so many; false where it is too long for any table.
func (t *Table) admit(entries, length int) bool {
	limit := int64(t.max) * bytesPerEntry
	if int64(length) > limit {
		return false
	}
	if entries >= t.max || t.size+int64(length) > limit {
		t.reset()
	}
	t.size += int64(length)
	return true
}

// learn remembers a line; false where it is too long. text is the caller's buffer. Like all that changes the table it is for
// a page that holds it alone.
func (t *Table) learn(text []byte, c context, slot Slot, family string) (entry, bool) {
	x := t.index.Load()
	hash := x.hash(c, text)
	if e, ok := x.findHashed(c, text, hash); ok {
		return e, true
	}
	if !t.admit(x.lines(), len(text)) {
		return 0, false
	}
	if x = t.index.Load(); x.full() {
		x = x.grown(int(t.foreseen.Load()))
		t.index.Store(x)
	}
	return x.add(hash, known{t.keep(text), slot, c}, family), true
}

// chunkSize is how many bytes of texts stand together.
const chunkSize = 32 << 10

// keep gives a copy of a text, right after the one before: lines are compared with them one after another.
func (t *Table) keep(text []byte) string {
	if t.chunk.Cap()-t.chunk.Len() < len(text) {
		t.chunk = new(strings.Builder)
		t.chunk.Grow(max(chunkSize, len(text)))
	}
	begin := t.chunk.Len()
	t.chunk.Write(text) // never more than it has room for: what it has stays where it is
	return t.chunk.String()[begin:]
}

// contextOf gives the number of a family declaration; false where it has none yet.
func (t *Table) contextOf(declaration []byte) (context, bool) {
	t.naming.RLock()
	defer t.naming.RUnlock()
	c, ok := t.contexts[string(declaration)]
	return c, ok
}

// context numbers a family declaration.
func (t *Table) context(declaration []byte) context {
	if c, ok := t.contexts[string(declaration)]; ok {
		return c
	}
	t.last++
	if t.admit(len(t.contexts), len(declaration)) {
		t.naming.Lock()
		defer t.naming.Unlock()
		t.contexts[string(declaration)] = t.last
	}
	return t.last
}

// text gives the copy of a text that is kept; false where none is.
func (t *Table) text(b []byte) (string, bool) {
	t.naming.RLock()
	defer t.naming.RUnlock()
	s, ok := t.texts[string(b)]
	return s, ok
}

// intern gives one copy of a text that many pages repeat.
func (t *Table) intern(b []byte) string {
	if s, ok := t.texts[string(b)]; ok {
		return s
	}
	s := string(b)
	if t.admit(len(t.texts), len(b)) {
		t.naming.Lock()
		defer t.naming.Unlock()
		t.texts[s] = s
	}
	return s
}
