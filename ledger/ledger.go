package ledger

import (
	"cmp"
	"errors"
	"fmt"
	"time"
)

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

// Ledger keeps records and pages. It is safe for concurrent use.
type Ledger interface {
	Store
	// WritePage keeps a page, in parts that follow one another, as a key's newest. Once it has returned the next process
	// finds it, even if this one is killed; a power cut may take what was written in the last milliseconds. The parts are
	// not kept after the return.
	WritePage(key string, page ...[]byte) error
	// WriteAhead begins to write a page whose last part is known, or its beginning, and what comes before is not. Nothing of it
	// is kept until the page is finished, and the part must not change until then.
	WriteAhead(key string, last ...[]byte) UnfinishedPage
	// LoadPage calls f with a key's pages, the newest first, until f returns true. The error is ErrNoPage where none was
	// kept, ErrDamaged where one was and none can be read. f must not keep page, nor call the ledger.
	LoadPage(key string, f func(page []byte) bool) error
	// ForgetPage removes a key's pages.
	ForgetPage(key string) error
	// SetAside puts everything under a new name and begins anew, empty. It deletes nothing.
	SetAside(reason error) error
	// Lost is when a ledger was set aside here last; zero is never.
	Lost() time.Time
	// Size is how many bytes of disk the ledger takes.
	Size() int64
}

// What is wrong with a ledger.
var (
	// ErrEmptyKey is a batch with a record that has no key.
	ErrEmptyKey = errors.New("a ledger record needs a key")
	// ErrNoPage is asked for the page of a key that has none.
	ErrNoPage = errors.New("the ledger has no page of this key")
	// ErrDamaged is a ledger that is not what was written.
	ErrDamaged = errors.New("the ledger is damaged")
)

// HeldError is a ledger that another process holds.
type HeldError struct {
	Dir string
	// Holder is what the holder says of itself, empty where it says nothing.
	Holder string
}

func (e *HeldError) Error() string {
	return fmt.Sprintf("the ledger %s is held by another federator (%s): end it, or give this one another --ledger.path", e.Dir,
		cmp.Or(e.Holder, "which does not say who it is"))
}

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
