package ledger

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/prometheus/common/promslog"
	bolt "go.etcd.io/bbolt"
)

// Ten thousand workers that come and go, and ten thousand rounds, leave no more on the disk than a few.
func TestBounds(t *testing.T) {
	d := openDisk(t, t.TempDir())
	defer closeDisk(t, d)
	value, page := bytes.Repeat([]byte("v"), 500), bytes.Repeat([]byte("p"), 20_000)
	const keys = 7
	var early, fds int64
	for i := range 10_000 {
		var b Batch
		b.Put(fmt.Sprintf("departed/%d", i), value)
		b.Delete(fmt.Sprintf("departed/%d", i-20))
		if i%10 == 0 { // a commit is synced: ten of them at once here
			if err := d.Append(&b); err != nil {
				t.Fatal(err)
			}
		}
		if err := d.WritePage(strconv.Itoa(i%keys), page[:len(page)-i]); err != nil {
			t.Fatal(err)
		}
		if i == 500 {
			early, fds = d.Size(), openFiles()
			early += int64(keys*slotCount-pageFiles(t, d)) * int64(len(page)) // a slot is taken when a sync is slow
		}
	}
	if late := d.Size(); late > early+64<<10 || early > 2<<20 {
		t.Errorf("%d bytes after 500 rounds, %d after 10,000", early, late)
	}
	if late := openFiles(); late > fds+3 {
		t.Errorf("%d open files after 500 rounds, %d after 10,000", fds, late)
	}
	onDisk := d.pages.files.(dirFiles).size()
	if counted := d.pages.bytes.Load(); counted != onDisk {
		t.Errorf("pages take %d bytes, Size counts %d", onDisk, counted)
	}
}

func pageFiles(t *testing.T, d *Disk) int {
	t.Helper()
	entries, err := os.ReadDir(string(d.pages.files.(dirFiles)))
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}

// openFiles is 0 where the system does not say.
func openFiles() int64 {
	entries, _ := os.ReadDir("/proc/self/fd")
	return int64(len(entries))
}

// A tree that bites its tail must not have the program run for ever, nor a used page be taken as free.
func TestDamagedTree(t *testing.T) {
	for name, damage := range map[string]func(data []byte, pageSize int) bool{
		"a branch that is its own": func(data []byte, pageSize int) bool {
			return eachPage(data, pageSize, branchPage, func(id uint64, page []byte) {
				binary.LittleEndian.PutUint64(page[boltHead+8:], id)
			})
		},
		"a used page that is free": func(data []byte, pageSize int) bool {
			leaf := uint64(0)
			eachPage(data, pageSize, leafPage, func(id uint64, _ []byte) { leaf = max(leaf, id) })
			return eachPage(data, pageSize, freePages, func(_ uint64, page []byte) {
				if binary.LittleEndian.Uint16(page[10:]) > 0 {
					binary.LittleEndian.PutUint64(page[boltHead:], leaf)
				}
			})
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			d := openDisk(t, dir)
			for range 3 {
				appendBatch(t, d, func(b *Batch) {
					for i := range 2000 {
						b.Put(fmt.Sprintf("%06d", i), bytes.Repeat([]byte("v"), 50))
					}
				})
			}
			pageSize := d.db.Info().PageSize
			closeDisk(t, d)
			data, err := os.ReadFile(d.path(dbName))
			if err != nil {
				t.Fatal(err)
			}
			if !damage(data, pageSize) {
				t.Fatal("no such page")
			}
			if err := os.WriteFile(d.path(dbName), data, 0o600); err != nil {
				t.Fatal(err)
			}
			mustBeSetAside(t, dir)
		})
	}
}

func eachPage(data []byte, pageSize int, kind uint16, f func(id uint64, page []byte)) (found bool) {
	for id := 2; (id+1)*pageSize <= len(data); id++ {
		page := data[id*pageSize : (id+1)*pageSize]
		if binary.LittleEndian.Uint16(page[8:]) == kind && number(page[:8]) == uint64(id) {
			f(uint64(id), page)
			found = true
		}
	}
	return found
}

// Records that are older than a page are not what it stands on: a file that came out of a backup.
func TestOlderRecords(t *testing.T) {
	dir := t.TempDir()
	d := openDisk(t, dir)
	if err := errors.Join(appendAll(d, "1", "a"), d.WritePage("k", []byte("one"))); err != nil {
		t.Fatal(err)
	}
	closeDisk(t, d)
	older, err := os.ReadFile(d.path(dbName))
	if err != nil {
		t.Fatal(err)
	}
	d = openDisk(t, dir)
	if err := errors.Join(appendAll(d, "2", "a"), d.WritePage("k", []byte("two"))); err != nil {
		t.Fatal(err)
	}
	closeDisk(t, d)
	if err := os.WriteFile(d.path(dbName), older, 0o600); err != nil {
		t.Fatal(err)
	}
	d = openDisk(t, dir)
	defer closeDisk(t, d)
	if err := d.LoadPage("k", func([]byte) bool { return true }); !errors.Is(err, ErrDamaged) || !strings.Contains(err.Error(), "older than the page") {
		t.Errorf("got %v", err)
	}
}

// The time of a loss, and the marks of pages, are held as fast as the records are.
func TestMetaIsChecked(t *testing.T) {
	for name, bucket := range map[string][]byte{"lost": metaBucket, "k": pagedBucket} {
		dir := t.TempDir()
		d := openDisk(t, dir)
		if err := errors.Join(d.SetAside(errors.New("test")), d.WritePage("k", []byte("page"))); err != nil {
			t.Fatal(err)
		}
		closeDisk(t, d)
		if err := rawDB(dir, bucket, []byte(name), []byte("?")); err != nil {
			t.Fatal(err)
		}
		if damage, err := inspect(dir); !errors.Is(damage, ErrDamaged) || err != nil {
			t.Errorf("%s: %v, %v", name, damage, err)
		}
	}
}

// A panic in bbolt is an error, and what it may have locked is not waited for.
func TestPanicIsAnError(t *testing.T) {
	d := openDisk(t, t.TempDir())
	db := d.db
	for range 2 {
		if err := d.use(func() error { return db.View(func(*bolt.Tx) error { panic("page 7: misplaced") }) }); !errors.Is(err, ErrDamaged) {
			t.Errorf("got %v", err)
		}
	}
	if err := appendAll(d, "1", "a"); !errors.Is(err, ErrDamaged) {
		t.Errorf("got %v", err)
	}
	if err := errors.Join(d.SetAside(errors.New("test")), appendAll(d, "1", "a"), db.Close()); err != nil {
		t.Error(err)
	}
	closeDisk(t, d)
	if err := appendAll(d, "1", "a"); !errors.Is(err, errClosed) {
		t.Errorf("after the end: %v", err)
	}
}

// Everything at once, for the race detector.
func TestConcurrentPages(t *testing.T) {
	d := openDisk(t, t.TempDir())
	done := make(chan error)
	const writers = 4
	for w := range writers {
		go func() {
			var err error
			for i := range 200 {
				key := strconv.Itoa((w + i) % 3)
				err = errors.Join(err, d.WritePage(key, pageOf(i)))
				_ = d.Size()
				switch i % 50 {
				case 20:
					err = errors.Join(err, d.ForgetPage(key))
				case 40:
					if e := d.LoadPage(key, func([]byte) bool { return true }); !errors.Is(e, ErrNoPage) {
						err = errors.Join(err, e)
					}
				case 49:
					if w == 0 {
						err = errors.Join(err, d.SetAside(errors.New("test")))
					}
				}
			}
			done <- err
		}()
	}
	for range writers {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	closeDisk(t, d)
}

func BenchmarkWritePage(b *testing.B) {
	for name, size := range map[string]int{"20KB": 20_000, "1MB": 1_000_000} {
		b.Run(name, func(b *testing.B) {
			d, err := Open(b.TempDir(), promslog.NewNopLogger())
			if err != nil {
				b.Fatal(err)
			}
			page := bytes.Repeat([]byte("p"), size)
			b.SetBytes(int64(size))
			b.ReportAllocs()
			for b.Loop() {
				if err := d.WritePage("k", page); err != nil {
					b.Fatal(err)
				}
			}
			if err := d.Close(); err != nil {
				b.Fatal(err)
			}
		})
	}
}

func BenchmarkAppend(b *testing.B) {
	d, err := Open(b.TempDir(), promslog.NewNopLogger())
	if err != nil {
		b.Fatal(err)
	}
	value := bytes.Repeat([]byte("v"), 4_000)
	b.SetBytes(40_000)
	b.ReportAllocs()
	for b.Loop() {
		var batch Batch
		for i := range 10 {
			batch.Put(fmt.Sprint("state/", i), value)
		}
		if err := d.Append(&batch); err != nil {
			b.Fatal(err)
		}
	}
	if err := d.Close(); err != nil {
		b.Fatal(err)
	}
}
