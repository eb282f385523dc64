package ledger

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/common/promslog"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == childArgument {
		os.Exit(child())
	}
	goleak.VerifyTestMain(m)
}

func openDisk(t *testing.T, dir string) *Disk {
	t.Helper()
	d, err := Open(dir, promslog.NewNopLogger())
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func closeDisk(t *testing.T, d *Disk) {
	t.Helper()
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestDisk(t *testing.T) {
	testStore(t, func(t *testing.T) Store { return openDisk(t, t.TempDir()) })
}

// newestPage gives what LoadPage says first.
func newestPage(t *testing.T, l Ledger, key string) string {
	t.Helper()
	var got string
	err := l.LoadPage(key, func(page []byte) bool {
		got = string(page)
		return true
	})
	if errors.Is(err, ErrNoPage) {
		return "none"
	}
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func TestPages(t *testing.T) {
	for name, open := range map[string]func(t *testing.T) Ledger{
		"memory": func(*testing.T) Ledger { return NewMemory() },
		"disk":   func(t *testing.T) Ledger { return openDisk(t, t.TempDir()) },
	} {
		t.Run(name, func(t *testing.T) { testPages(t, open(t)) })
	}
}

func testPages(t *testing.T, l Ledger) {
	defer func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	}()
	check := func(key, want string) {
		t.Helper()
		if got := newestPage(t, l, key); got != want {
			t.Errorf("%s: %.40q, want %.40q", key, got, want)
		}
	}
	check("a", "none")
	for _, page := range []string{"one", strings.Repeat("long ", 10_000), "", "four"} {
		if err := l.WritePage("a", []byte(page)); err != nil {
			t.Fatal(err)
		}
		check("a", page)
		check("b\x00/", "none")
	}
	if err := errors.Join(l.WritePage("b\x00/", []byte("other")), l.ForgetPage("a"), l.ForgetPage("never")); err != nil {
		t.Fatal(err)
	}
	check("a", "none")
	check("b\x00/", "other")
	if !l.Lost().IsZero() {
		t.Error("lost without a loss")
	}
	if err := l.SetAside(errors.New("test")); err != nil {
		t.Fatal(err)
	}
	check("b\x00/", "none")
	if l.Lost().IsZero() {
		t.Error("the loss is not known")
	}
}

func TestDiskReopens(t *testing.T) {
	dir := t.TempDir()
	d := openDisk(t, dir)
	appendBatch(t, d, func(b *Batch) { b.Put("a", []byte("1")); b.Put("b", []byte("2")) })
	for i := range 10 {
		if err := d.WritePage("k", fmt.Appendf(nil, "page %d", i)); err != nil {
			t.Fatal(err)
		}
	}
	if d.Size() < 4096 {
		t.Errorf("size %d", d.Size())
	}
	closeDisk(t, d)
	d = openDisk(t, dir)
	want(t, d, "", "a=1", "b=2")
	if got := newestPage(t, d, "k"); got != "page 9" {
		t.Errorf("got %q", got)
	}
	closeDisk(t, d)
}

// A ledger is one process's. The second one is told whose.
func TestHeld(t *testing.T) {
	dir := t.TempDir()
	d := openDisk(t, dir)
	_, err := Open(dir, promslog.NewNopLogger())
	held, ok := errors.AsType[*HeldError](err)
	if !ok || !strings.Contains(err.Error(), fmt.Sprintf("process %d on ", os.Getpid())) || held.Dir != dir {
		t.Errorf("got %v", err)
	}
	if out, err := childCommand(t, "open", dir).CombinedOutput(); err == nil || !strings.Contains(string(out), "is held by another federator (process") {
		t.Errorf("another process: %v, %s", err, out)
	}
	closeDisk(t, d)
	closeDisk(t, openDisk(t, dir))
}

// Whatever is damaged, the ledger is set aside whole, and what was in the directory is still there.
func TestDamageIsSetAside(t *testing.T) {
	for name, damage := range map[string]func(dir string) error{
		"foreign": func(dir string) error {
			return os.WriteFile(filepath.Join(dir, dbName), bytes.Repeat([]byte("hello "), 10_000), 0o600)
		},
		"short":         func(dir string) error { return os.Truncate(filepath.Join(dir, dbName), 9_000) },
		"empty":         func(dir string) error { return os.Truncate(filepath.Join(dir, dbName), 0) },
		"taken away":    func(dir string) error { return os.Remove(filepath.Join(dir, dbName)) },
		"older":         func(dir string) error { return rawDB(dir, metaBucket, versionKey, []byte{1}) },
		"newer":         func(dir string) error { return rawDB(dir, metaBucket, versionKey, []byte{formatVersion + 1}) },
		"other program": func(dir string) error { return rawDB(dir, nil, nil, nil) },
		"record":        func(dir string) error { return rawDB(dir, recordsBucket, []byte("a"), []byte("12345678")) },
		"record gone":   func(dir string) error { return rawDB(dir, recordsBucket, []byte("a"), nil) },
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			d := openDisk(t, dir)
			appendBatch(t, d, func(b *Batch) { b.Put("a", []byte("1")); b.Put("b", []byte("2")) })
			if err := d.WritePage("k", []byte("page")); err != nil {
				t.Fatal(err)
			}
			closeDisk(t, d)
			if err := damage(dir); err != nil {
				t.Fatal(err)
			}
			mustBeSetAside(t, dir)
		})
	}
}

func mustBeSetAside(t *testing.T, dir string) {
	t.Helper()
	before := filesUnder(t, dir)
	for range 2 { // and it stays so
		d := openDisk(t, dir)
		want(t, d, "")
		if got := newestPage(t, d, "k"); got != "none" {
			t.Errorf("page %q is served", got)
		}
		if d.Lost().IsZero() {
			t.Error("the loss is not known")
		}
		closeDisk(t, d)
	}
	asides, _ := filepath.Glob(filepath.Join(dir, "damaged-*"))
	if len(asides) != 1 {
		t.Fatalf("set aside: %q", asides)
	}
	after := filesUnder(t, asides[0])
	if after["reason"] == "" {
		t.Error("no reason")
	}
	delete(after, "reason")
	if diff := cmp.Diff(before, after); diff != "" {
		t.Errorf("what is set aside is not what was there:\n%.500s", diff)
	}
}

// filesUnder gives the ledger's files by name, but for the lock.
func filesUnder(t *testing.T, dir string) map[string]string {
	t.Helper()
	files := map[string]string{}
	for _, pattern := range []string{dbName, "reason", pagesName + "/*"} {
		names, _ := filepath.Glob(filepath.Join(dir, pattern))
		for _, name := range names {
			data, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			files[strings.TrimPrefix(name, dir+"/")] = string(data)
		}
	}
	return files
}

// Pages that were synced and cannot be read are damage; what was never synced may be torn by a power cut.
func TestDamagedPages(t *testing.T) {
	dir := t.TempDir()
	d := openDisk(t, dir)
	for range 5 {
		if err := d.WritePage("k", []byte("page")); err != nil {
			t.Fatal(err)
		}
	}
	closeDisk(t, d) // syncs
	names, _ := filepath.Glob(filepath.Join(dir, pagesName, "*"))
	for _, name := range names {
		if err := os.Truncate(name, 30); err != nil {
			t.Fatal(err)
		}
	}
	d = openDisk(t, dir)
	defer closeDisk(t, d)
	if err := d.LoadPage("k", func([]byte) bool { return true }); !errors.Is(err, ErrDamaged) {
		t.Errorf("got %v", err)
	}
	if err := d.LoadPage("other", func([]byte) bool { return true }); !errors.Is(err, ErrNoPage) {
		t.Errorf("got %v", err)
	}
}

// A write leaves alone what kill -9 and what a power cut must leave.
func TestSlotThatMayBeLost(t *testing.T) {
	for newest := range slotCount {
		for synced := -1; synced < slotCount; synced++ {
			for syncing := -1; syncing < slotCount; syncing++ {
				st := &pageState{newest: newest, synced: synced, syncing: syncing, seq: [slotCount]uint64{1, 2, 3, 4}}
				if slot := st.free(); slot == newest || slot == synced || slot == syncing {
					t.Errorf("newest %d, synced %d, syncing %d: writes over %d", newest, synced, syncing, slot)
				}
			}
		}
	}
}

const childArgument = "ledger-child"

func childCommand(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	return exec.CommandContext(t.Context(), os.Args[0], append([]string{childArgument}, args...)...)
}
