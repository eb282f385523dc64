//go:build unix

package ledger

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"testing"
)

func init() { lives["limit"] = liveWithLimit }

// A disk that is full gives errors, takes nothing that is kept, and is used again when it has room, by the same process.
func TestFullDisk(t *testing.T) {
	dir := t.TempDir()
	if out, err := childCommand(t, "limit", dir).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	d := openDisk(t, dir)
	defer closeDisk(t, d)
	want(t, d, "", "a=2", "b=2", "more=2")
	if got := newestPage(t, d, "k"); got != "again" {
		t.Errorf("page %.40q", got)
	}
	if !d.Lost().IsZero() {
		t.Error("the ledger was set aside")
	}
}

// liveWithLimit has the system refuse files that are longer than the ledger's are now.
func liveWithLimit(d *Disk) error {
	signal.Ignore(syscall.SIGXFSZ)
	if err := errors.Join(appendAll(d, "1", "a", "b"), d.WritePage("k", []byte("kept"))); err != nil {
		return err
	}
	info, err := os.Stat(d.path(dbName))
	if err != nil {
		return err
	}
	for range 20 { // more than there are slots
		if err := withLimit(uint64(info.Size()), func() error { return mustFail(d, int(info.Size())) }); err != nil {
			return err
		}
	}
	return errors.Join(appendAll(d, "2", "a", "b", "more"), d.WritePage("k", []byte("again")))
}

func appendAll(d *Disk, value string, keys ...string) error {
	var b Batch
	for _, key := range keys {
		b.Put(key, []byte(value))
	}
	return d.Append(&b)
}

func withLimit(limit uint64, f func() error) error {
	var old syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &old); err != nil {
		return err
	}
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: limit, Max: old.Max}); err != nil {
		return err
	}
	return errors.Join(f(), syscall.Setrlimit(syscall.RLIMIT_FSIZE, &old))
}

func mustFail(d *Disk, size int) error {
	var b Batch
	b.Put("a", bytes.Repeat([]byte("x"), size))
	if err := d.Append(&b); err == nil || !strings.Contains(err.Error(), syscall.EFBIG.Error()) { // bbolt does not wrap it
		return fmt.Errorf("append: %w", err)
	}
	if err := d.WritePage("k", bytes.Repeat([]byte("x"), size)); !errors.Is(err, syscall.EFBIG) {
		return fmt.Errorf("page: %w", err)
	}
	var got []string
	if err := d.Load("", func(key string, value []byte) error {
		got = append(got, key+"="+string(value))
		return nil
	}); err != nil || fmt.Sprint(got) != "[a=1 b=1]" {
		return fmt.Errorf("after errors the records are %.100q, %w", got, err)
	}
	return d.LoadPage("k", func(page []byte) bool {
		if string(page) != "kept" {
			panic(fmt.Sprintf("after errors the page is %.40q", page))
		}
		return true
	})
}

// What SetAside could not do is done by the first call that can; until then nothing of the old ledger is served.
func TestSetAsideTriesAgain(t *testing.T) {
	dir := t.TempDir()
	d := openDisk(t, dir)
	defer closeDisk(t, d)
	if err := errors.Join(appendAll(d, "1", "a"), d.WritePage("k", []byte("page"))); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(d.path(movingName), nil, 0o600); err != nil { // no directory can have the name
		t.Fatal(err)
	}
	if err := d.SetAside(errors.New("test")); err == nil {
		t.Fatal("set aside into a file")
	}
	if err := d.Load("", func(string, []byte) error { return nil }); err == nil {
		t.Error("what is to be set aside is served")
	}
	if err := os.Remove(d.path(movingName)); err != nil {
		t.Fatal(err)
	}
	want(t, d, "")
	if got := newestPage(t, d, "k"); got != "none" || d.Lost().IsZero() {
		t.Errorf("page %q, lost %v", got, d.Lost())
	}
}
