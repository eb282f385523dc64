package ledger

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// openPagesToWrite is how many files of pages are open to be written; 0 where the system does not say.
func openPagesToWrite() (n int) {
	entries, _ := os.ReadDir("/proc/self/fd")
	for _, entry := range entries {
		path, _ := os.Readlink("/proc/self/fd/" + entry.Name())
		info, _ := os.ReadFile("/proc/self/fdinfo/" + entry.Name())
		if strings.Contains(path, "/"+pagesName+"/") && strings.Contains(string(info), "1\nmnt_id") { // O_WRONLY
			n++
		}
	}
	return n
}

// TestWriteAhead: a page is there once it is finished, not before, whatever happened to the ledger meanwhile.
func TestWriteAhead(t *testing.T) {
	for name, c := range map[string]struct {
		meanwhile func(d *Disk) error
		before    string
	}{
		"nothing":        {func(*Disk) error { return nil }, "old"},
		"another page":   {func(d *Disk) error { return d.WritePage("k", []byte("other")) }, "other"},
		"another ahead":  {func(d *Disk) error { return d.WriteAhead("k", []byte("other")).Finish() }, "other"},
		"another's half": {func(d *Disk) error { d.WriteAhead("k", []byte("other")).Abandon(); return nil }, "old"},
		"forgotten":      {func(d *Disk) error { return d.ForgetPage("k") }, "none"},
		"set aside":      {func(d *Disk) error { return d.SetAside(errors.New("test")) }, "none"},
	} {
		parts := [][]byte{[]byte("la"), []byte("st "), []byte("part")}
		for at := range parts {
			t.Run(fmt.Sprint(name, at), func(t *testing.T) { testWriteAhead(t, parts, at, c.meanwhile, c.before) })
		}
	}
}

// testWriteAhead has something else written after a part.
func testWriteAhead(t *testing.T, parts [][]byte, at int, meanwhile func(d *Disk) error, before string) {
	dir := t.TempDir()
	d := openDisk(t, dir)
	if err := d.WritePage("k", []byte("old")); err != nil {
		t.Fatal(err)
	}
	page := d.WriteAhead("k", parts[0])
	for i := range parts {
		if i > 0 {
			page.Append(parts[i])
		}
		if i == at {
			if err := meanwhile(d); err != nil {
				t.Fatal(err)
			}
		}
	}
	if got := newestPage(t, d, "k"); got != before {
		t.Errorf("before it is finished there is %q", got)
	}
	if err := page.Finish([]byte("first, "), []byte("and ")); err != nil {
		t.Fatal(err)
	}
	if n := openPagesToWrite(); n != 0 {
		t.Errorf("%d files are open", n)
	}
	if got := newestPage(t, d, "k"); got != "first, and last part" {
		t.Errorf("got %q", got)
	}
	closeDisk(t, d)
	d = openDisk(t, dir)
	defer closeDisk(t, d)
	if got := newestPage(t, d, "k"); got != "first, and last part" {
		t.Errorf("the next process has %q", got)
	}
}

// TestAbandoned: a page that is given up leaves the last one, takes no file, and does not harm the next.
func TestAbandoned(t *testing.T) {
	d := openDisk(t, t.TempDir())
	defer closeDisk(t, d)
	if err := d.WritePage("k", []byte("kept")); err != nil {
		t.Fatal(err)
	}
	for range 2 * slotCount {
		page := d.WriteAhead("k", []byte(strings.Repeat("x", 1000)))
		page.Append([]byte(strings.Repeat("x", 100)))
		page.Abandon()
		d.WriteAhead("nothing").Abandon()
	}
	if n := openPagesToWrite(); n != 0 {
		t.Errorf("%d files are open", n)
	}
	if got := newestPage(t, d, "k"); got != "kept" {
		t.Errorf("got %q", got)
	}
	for range 2 * slotCount {
		if err := d.WritePage("k", []byte("next")); err != nil {
			t.Fatal(err)
		}
	}
	if got := newestPage(t, d, "k"); got != "next" {
		t.Errorf("got %q", got)
	}
	if counted, are := d.pages.bytes.Load(), dirFiles(d.path(pagesName)).size(); counted != are {
		t.Errorf("%d bytes are counted, there are %d", counted, are)
	}
}

// TestUnfinishedIsNoDamage: a process that ended while a page was on its way leaves nothing that the next one calls damaged.
func TestUnfinishedIsNoDamage(t *testing.T) {
	dir := t.TempDir()
	d := openDisk(t, dir)
	for range slotCount + 1 {
		if err := d.WritePage("k", bytes.Repeat([]byte("kept"), 1000)); err != nil {
			t.Fatal(err)
		}
	}
	page := d.WriteAhead("k", bytes.Repeat([]byte("x"), 500))
	page.Append([]byte("and more"))
	page.Abandon()
	closeDisk(t, d)
	var log bytes.Buffer
	d, err := Open(dir, slog.New(slog.NewTextHandler(&log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	defer closeDisk(t, d)
	if got := newestPage(t, d, "k"); !strings.HasPrefix(got, "kept") || log.Len() > 0 {
		t.Errorf("got %.10q, logged %q", got, log.String())
	}
}

// TestFinishAfterClose is an error, and closes the file.
func TestFinishAfterClose(t *testing.T) {
	d := openDisk(t, t.TempDir())
	page := d.WriteAhead("k", []byte("la"))
	closeDisk(t, d)
	page.Append([]byte("st"))
	if err := page.Finish([]byte("first")); !errors.Is(err, errClosed) {
		t.Errorf("got %v", err)
	}
	if n := openPagesToWrite(); n != 0 {
		t.Errorf("%d files are open", n)
	}
	if err := d.WriteAhead("k").Finish(); !errors.Is(err, errClosed) {
		t.Errorf("got %v", err)
	}
}

// TestMemoryWritesAhead: what is in memory is kept at the end.
func TestMemoryWritesAhead(t *testing.T) {
	m := NewMemory()
	page := m.WriteAhead("k", []byte("la"))
	page.Append([]byte("st"))
	if err := m.LoadPage("k", func([]byte) bool { return true }); !errors.Is(err, ErrNoPage) {
		t.Errorf("got %v", err)
	}
	if err := page.Finish([]byte("first, ")); err != nil {
		t.Fatal(err)
	}
	var got []byte
	if err := m.LoadPage("k", func(page []byte) bool { got = slices.Clone(page); return true }); err != nil || string(got) != "first, last" {
		t.Errorf("got %q, %v", got, err)
	}
}

// TestEachByteOfAPage: none of a file can be another without being noticed.
func TestEachByteOfAPage(t *testing.T) {
	d := openDisk(t, t.TempDir())
	defer closeDisk(t, d)
	if err := d.WriteAhead("key", []byte("last")).Finish([]byte("first")); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(filepath.Join(d.dir, pagesName, fileName("key", 0)))
	if err != nil {
		t.Fatal(err)
	}
	if v, err := decodePage("key", data); err != nil || string(v.page) != "firstlast" || v.seq != 1 {
		t.Fatalf("got %+v, %v", v, err)
	}
	for at := range data {
		for bit := range 8 {
			damaged := slices.Clone(data)
			damaged[at] ^= 1 << bit
			if v, err := decodePage("key", damaged); !errors.Is(err, ErrDamaged) {
				t.Errorf("byte %d, bit %d: %+v, %v", at, bit, v, err)
			}
		}
	}
	for n := range data {
		if v, err := decodePage("key", data[:n]); !errors.Is(err, ErrDamaged) {
			t.Errorf("%d bytes: %+v, %v", n, v, err)
		}
	}
}
