package exposition

import "sync"

const (
	maxMemo     = 64  // texts
	maxMemoText = 512 // bytes of one that is kept
)

// memo keeps what a function makes of a text: headers say the same again and again, and to parse one takes as long as
// some hundred lines. The function must look at nothing but the text. It is safe for concurrent use.
type memo[T any] struct {
	mu   sync.RWMutex
	made map[string]T
}

func (m *memo[T]) get(text string, parse func(string) T) T {
	m.mu.RLock()
	v, ok := m.made[text]
	m.mu.RUnlock()
	if ok {
		return v
	}
	if v = parse(text); len(text) <= maxMemoText {
		m.keep(text, v)
	}
	return v
}

// keep lets all others go where there are too many: who says something else each time is not helped anyway.
func (m *memo[T]) keep(text string, v T) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.made == nil || len(m.made) >= maxMemo {
		m.made = map[string]T{}
	}
	m.made[text] = v
}
