package ledger

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"testing"
)

// TestWriteParts writes parts one behind the other, wherever the system stops at first.
func TestWriteParts(t *testing.T) {
	files := dirFiles(t.TempDir())
	var parts [][]byte
	for i := range 2 * manyParts {
		parts = append(parts, []byte(fmt.Sprint("part ", i, ",")), nil)
	}
	all := bytes.Join(parts, nil)
	for _, done := range []int{-1, 0, 1, 6, 7, 8, 500, len(all) - 1, len(all)} {
		name := strconv.Itoa(done)
		f, err := files.open(name)
		if err != nil {
			t.Fatal(err)
		}
		const at = 3
		n := 0
		if done < 0 {
			n, err = f.writeAt(at, parts...)
		} else if n, err = f.writeAt(at, all[:done]); err == nil && n == done {
			n, err = f.(dirFile).writeRest(at, done, parts)
		}
		if err != nil || n != len(all) {
			t.Errorf("%s: %d of %d bytes, %v", name, n, len(all), err)
		}
		if err := f.Close(); err != nil {
			t.Error(err)
		}
		if got, err := files.read(name); err != nil || !bytes.Equal(got, append(make([]byte, at), all...)) {
			t.Errorf("%s: there is %q, %v", name, got, err)
		}
	}
	f, err := os.Open(files.path("500"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	if n, err := (dirFile{f}).writeAt(0, parts...); err == nil {
		t.Errorf("%d bytes are written to a file that is open to be read", n)
	}
}
