package ledger

import (
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/common/promslog"
)

// sample is a ledger with its history: every state of records, and every page, that was ever written.
type sample struct {
	files   map[string]string
	records map[string]bool
	pages   map[string]bool
}

func makeSample(t testing.TB) sample {
	dir := t.TempDir()
	d, err := Open(dir, promslog.NewNopLogger())
	if err != nil {
		t.Fatal(err)
	}
	s := sample{files: map[string]string{}, records: map[string]bool{"": true}, pages: map[string]bool{}}
	for i := 1; i <= states; i++ {
		var b Batch
		for _, key := range []string{"a", "b", "c"} {
			b.Put(key, []byte(strings.Repeat(string(rune('0'+i)), 200*i)))
		}
		if i%2 == 0 {
			b.Delete("a")
		}
		if err := errors.Join(d.Append(&b), d.WritePage("k", pageOf(i))); err != nil {
			t.Fatal(err)
		}
		s.records[allOf(d)] = true
		s.pages[string(pageOf(i))] = true
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	for _, pattern := range []string{dbName, pagesName + "/*"} {
		names, _ := filepath.Glob(filepath.Join(dir, pattern))
		for _, name := range names {
			data, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			s.files[strings.TrimPrefix(name, dir+"/")] = string(data)
		}
	}
	return s
}

func allOf(d *Disk) string {
	var b strings.Builder
	_ = d.Load("", func(key string, value []byte) error {
		b.WriteString(key + "=" + string(value) + ";")
		return nil
	})
	return b.String()
}

// FuzzDamage flips a byte of one file, or cuts it. What is read then is an error or a state that once was, never
// another one: the history of the sample says which there were.
func FuzzDamage(f *testing.F) {
	s := makeSample(f)
	names := slices.Sorted(maps.Keys(s.files))
	for file := range names {
		for at := uint32(0); at < 40_000; at += 1499 {
			f.Add(uint8(file), at, uint8(1<<(at%8)), at%2 == 0)
		}
	}
	f.Fuzz(func(t *testing.T, file uint8, at uint32, flip uint8, cut bool) {
		dir := t.TempDir()
		if err := os.Mkdir(filepath.Join(dir, pagesName), 0o700); err != nil {
			t.Fatal(err)
		}
		for i, name := range names {
			data := []byte(s.files[name])
			if i == int(file)%len(names) {
				at := int(at) % len(data)
				if cut {
					data = data[:at]
				} else {
					data[at] ^= flip
				}
			}
			if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		d, err := Open(dir, promslog.NewNopLogger())
		if err != nil {
			return
		}
		defer func() { _ = d.Close() }()
		if got := allOf(d); !s.records[got] {
			t.Errorf("records that never were: %.200q", got)
		}
		if err := d.LoadPage("k", func(page []byte) bool {
			if !s.pages[string(page)] {
				t.Errorf("a page that never was: %.100q", page)
			}
			return false
		}); err != nil && !errors.Is(err, ErrDamaged) && !errors.Is(err, ErrNoPage) {
			t.Errorf("got %v", err)
		}
	})
}
