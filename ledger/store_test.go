package ledger

import (
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestMemory(t *testing.T) { testStore(t, func(*testing.T) Store { return NewMemory() }) }

// testStore is what every store must hold.
func testStore(t *testing.T, open func(*testing.T) Store) {
	f := func(name string, test func(t *testing.T, s Store)) {
		t.Run(name, func(t *testing.T) {
			s := open(t)
			defer func() {
				if err := s.Close(); err != nil {
					t.Error(err)
				}
			}()
			test(t, s)
		})
	}
	f("records by prefix, in order", testOrder)
	f("the last change of a key counts", testLastChange)
	f("a batch without a key is refused whole", testEmptyKey)
	f("values are the store's own", testOwnValues)
	f("an error ends a load", testLoadError)
	f("concurrent batches", testConcurrent)
}

func records(t *testing.T, s Store, prefix string) (got []string) {
	t.Helper()
	if err := s.Load(prefix, func(key string, value []byte) error {
		got = append(got, fmt.Sprintf("%s=%s", key, value))
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return got
}

func want(t *testing.T, s Store, prefix string, want ...string) {
	t.Helper()
	if diff := cmp.Diff(want, records(t, s, prefix)); diff != "" {
		t.Error(diff)
	}
}

func appendBatch(t *testing.T, s Store, fill func(*Batch)) {
	t.Helper()
	var b Batch
	fill(&b)
	if err := s.Append(&b); err != nil {
		t.Fatal(err)
	}
}

func testOrder(t *testing.T, s Store) {
	want(t, s, "")
	appendBatch(t, s, func(b *Batch) {
		b.Put("b/2", []byte("x"))
		b.Put("a", []byte("y"))
		b.Put("b/1", nil)
	})
	want(t, s, "", "a=y", "b/1=", "b/2=x")
	want(t, s, "b/", "b/1=", "b/2=x")
	appendBatch(t, s, func(b *Batch) { b.Delete("b/1"); b.Delete("never") })
	want(t, s, "", "a=y", "b/2=x")
}

func testLastChange(t *testing.T, s Store) {
	appendBatch(t, s, func(b *Batch) {
		b.Put("a", []byte("1"))
		b.Delete("a")
		b.Delete("b")
		b.Put("b", []byte("2"))
		if b.Len() != 2 {
			t.Errorf("the batch has %d changes", b.Len())
		}
	})
	want(t, s, "", "b=2")
}

func testEmptyKey(t *testing.T, s Store) {
	var b Batch
	b.Put("a", []byte("1"))
	b.Put("", []byte("2"))
	if err := s.Append(&b); !errors.Is(err, ErrEmptyKey) {
		t.Errorf("got %v", err)
	}
	want(t, s, "")
}

func testOwnValues(t *testing.T, s Store) {
	value := []byte("1")
	appendBatch(t, s, func(b *Batch) { b.Put("a", value) })
	value[0] = '2'
	want(t, s, "", "a=1")
}

func testLoadError(t *testing.T, s Store) {
	appendBatch(t, s, func(b *Batch) { b.Put("a", nil); b.Put("b", nil) })
	calls, stop := 0, errors.New("stop")
	if err := s.Load("", func(string, []byte) error { calls++; return stop }); !errors.Is(err, stop) || calls != 1 {
		t.Errorf("%d calls, error %v", calls, err)
	}
}

func testConcurrent(t *testing.T, s Store) {
	var group sync.WaitGroup
	for i := range 8 {
		group.Go(func() {
			for j := range 50 {
				appendBatch(t, s, func(b *Batch) { b.Put(fmt.Sprintf("%d/%02d", i, j), []byte("v")) })
				_ = records(t, s, fmt.Sprintf("%d/", i))
			}
		})
	}
	group.Wait()
	if got := len(records(t, s, "")); got != 400 {
		t.Errorf("%d records", got)
	}
}
