package ledger

import (
	"maps"
	"slices"
	"strings"
	"sync"
)

// Memory is a Store that ends with the process.
type Memory struct {
	mu      sync.RWMutex
	records map[string][]byte
}

// NewMemory gives an empty store.
func NewMemory() *Memory { return &Memory{records: map[string][]byte{}} }

// Load implements Store.
func (m *Memory) Load(prefix string, f func(key string, value []byte) error) error {
	m.mu.RLock()
	defer m.mu.RUnlock()
	for _, key := range slices.Sorted(maps.Keys(m.records)) {
		if !strings.HasPrefix(key, prefix) {
			continue
		}
		if err := f(key, m.records[key]); err != nil {
			return err
		}
	}
	return nil
}

// Append implements Store.
func (m *Memory) Append(batch *Batch) error {
	if _, bad := batch.changes[""]; bad {
		return ErrEmptyKey
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for key, value := range batch.changes {
		if value == nil {
			delete(m.records, key)
		} else {
			m.records[key] = slices.Clone(value)
		}
	}
	return nil
}

// Close implements Store.
func (m *Memory) Close() error { return nil }
