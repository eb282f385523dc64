package exposition

import "sync"

// Table knows which slot a line's text has. It is shared by all pages of an instance, and safe for concurrent use.
type Table struct {
	mu       sync.RWMutex
	max      int
	lines    map[string]known // by context and series text
	contexts map[string]context
	texts    map[string]string // HELP and UNIT, one copy each
}

// known is a line's slot, and the family by which the sink knows it.
type known struct {
	slot   Slot
	family string
	own    bool // the line is of the family that it stands under
}

// context numbers what a line's meaning depends on beside its text: the family that it stands under.
type context uint32

// NewTable gives a table that is emptied where it holds more than maxEntries lines.
func NewTable(maxEntries int) *Table {
	t := &Table{max: maxEntries}
	t.reset()
	return t
}

func (t *Table) reset() {
	t.lines, t.texts = map[string]known{}, map[string]string{}
	if t.contexts == nil {
		t.contexts = map[string]context{}
	}
}

// learn remembers a line. key is the caller's buffer.
func (t *Table) learn(key []byte, k known) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.lines) >= t.max {
		t.reset()
	}
	t.lines[string(key)] = k
}

// context numbers a family declaration. Numbers are never given twice, so that a full table may forget them.
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
	if len(t.contexts) >= t.max {
		return 0 // not remembered: its lines are read in full each time
	}
	c = context(len(t.contexts) + 1)
	t.contexts[string(declaration)] = c
	return c
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
	if len(t.texts) >= t.max {
		t.reset()
	}
	s = string(b)
	t.texts[s] = s
	return s
}
