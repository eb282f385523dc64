package exposition

import "sync"

// bytesPerEntry is how long lines and texts may be on average before a table counts as full.
const bytesPerEntry = 256

// Table knows which slot a line's text has. It is shared by all pages of an instance, and safe for concurrent use.
type Table struct {
	mu       sync.RWMutex
	max      int
	size     int64            // bytes of all keys and texts
	lines    map[string]known // by context and series text
	contexts map[string]context
	texts    map[string]string // names, HELP and UNIT, one copy each
	last     context           // given
}

// known is a line's slot, and the family by which the sink knows it.
type known struct {
	slot   Slot
	family string
}

// context numbers what a line's meaning depends on beside its text: the family that it stands under.
type context uint64

// firstContext leaves a number to each format, for lines that stand under no family.
const firstContext context = 16

// NewTable gives a table that is emptied where it holds more than maxEntries lines, or lines that are too long.
func NewTable(maxEntries int) *Table {
	t := &Table{max: maxEntries, last: firstContext}
	t.reset()
	return t
}

// reset forgets everything. Numbers of contexts are never given twice, so that pages under way may go on with theirs.
func (t *Table) reset() {
	t.lines, t.contexts, t.texts, t.size = map[string]known{}, map[string]context{}, map[string]string{}, 0
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

// learn remembers a line. key is the caller's buffer.
func (t *Table) learn(key []byte, k known) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if _, ok := t.lines[string(key)]; !ok && t.admit(len(t.lines), len(key)) {
		t.lines[string(key)] = k
	}
}

// context numbers a family declaration.
func (t *Table) context(declaration []byte) context {
	t.mu.RLock()
	c, ok := t.contexts[string(declaration)]
	t.mu.RUnlock()
	if ok {
		return c
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if c, ok := t.contexts[string(declaration)]; ok {
		return c
	}
	t.last++
	if t.admit(len(t.contexts), len(declaration)) {
		t.contexts[string(declaration)] = t.last
	}
	return t.last
}

// intern gives one copy of a text that many pages repeat.
func (t *Table) intern(b []byte) string {
	if len(b) == 0 {
		return ""
	}
	t.mu.RLock()
	s, ok := t.texts[string(b)]
	t.mu.RUnlock()
	if ok {
		return s
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if s, ok := t.texts[string(b)]; ok {
		return s
	}
	s = string(b)
	if t.admit(len(t.texts), len(b)) {
		t.texts[s] = s
	}
	return s
}
