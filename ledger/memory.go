package ledger

import (
	"maps"
	"slices"
	"strings"
	"sync"
	"time"
)

// Memory is a Ledger that ends with the process.
type Memory struct {
	mu      sync.RWMutex
	records map[string][]byte
	pages   map[string][]byte
	lost    time.Time
}

// NewMemory gives an empty ledger.
func NewMemory() *Memory { return &Memory{records: map[string][]byte{}, pages: map[string][]byte{}} }

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

// WritePage implements Ledger.
func (m *Memory) WritePage(key string, page ...[]byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	kept := m.pages[key][:0]
	for _, part := range page {
		kept = append(kept, part...)
	}
	m.pages[key] = kept
	return nil
}

// WriteAhead implements Ledger.
func (m *Memory) WriteAhead(key string, last ...[]byte) UnfinishedPage {
	return WholePage(func(page ...[]byte) error { return m.WritePage(key, page...) }, last...)
}

// LoadPage implements Ledger. There is one version of a page: nothing here is torn.
func (m *Memory) LoadPage(key string, f func(page []byte) bool) error {
	m.mu.RLock()
	defer m.mu.RUnlock()
	page, ok := m.pages[key]
	if !ok {
		return ErrNoPage
	}
	f(page)
	return nil
}

// ForgetPage implements Ledger.
func (m *Memory) ForgetPage(key string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.pages, key)
	return nil
}

// SetAside implements Ledger. What is in memory has no name to be put under: it goes.
func (m *Memory) SetAside(error) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.records, m.pages, m.lost = map[string][]byte{}, map[string][]byte{}, time.Now()
	return nil
}

// Lost implements Ledger.
func (m *Memory) Lost() time.Time {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return m.lost
}

// Size implements Ledger: nothing is on disk.
func (m *Memory) Size() int64 { return 0 }

// Close implements Store.
func (m *Memory) Close() error { return nil }
