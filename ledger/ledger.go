package ledger

import "errors"

// Store keeps records. It is safe for concurrent use.
type Store interface {
	// Load calls f with each record whose key begins with prefix, in the order of keys, until f gives an error, which it
	// returns. f must not keep value, nor call the store.
	Load(prefix string, f func(key string, value []byte) error) error
	// Append applies a batch.
	Append(batch *Batch) error
	// Close gives everything back. No call may follow.
	Close() error
}

// ErrEmptyKey is a batch with a record that has no key.
var ErrEmptyKey = errors.New("a ledger record needs a key")

// Batch is a set of changes. The zero value is empty; the last change of a key counts.
type Batch struct{ changes map[string][]byte }

// Put sets a record. The batch keeps value: it must not be changed after.
func (b *Batch) Put(key string, value []byte) {
	if value == nil {
		value = []byte{}
	}
	b.set(key, value)
}

// Delete removes a record, if it is there.
func (b *Batch) Delete(key string) { b.set(key, nil) }

func (b *Batch) set(key string, value []byte) {
	if b.changes == nil {
		b.changes = map[string][]byte{}
	}
	b.changes[key] = value
}

// Len is how many records the batch changes.
func (b *Batch) Len() int { return len(b.changes) }
