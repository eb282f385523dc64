package ledger

import (
	"encoding/binary"
	"errors"
	"path/filepath"
	"testing"
)

// TestCopyWhileWritten copies a ledger whose writer puts a record before each page that needs it: a page of the copy
// never needs a record that the copy lacks.
func TestCopyWhileWritten(t *testing.T) {
	dir := t.TempDir()
	disk := openDisk(t, dir)
	stop, done := make(chan struct{}), make(chan error, 1)
	go func() { done <- writeInTurn(disk, stop) }()
	older := 0
	for range 100 {
		page, record := copied(t, dir)
		if page > record {
			t.Errorf("the page needs record %d, the newest is %d", page, record)
		}
		if page < record {
			older++
		}
	}
	close(stop)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	closeDisk(t, disk)
	if older == 0 {
		t.Error("nothing was written while the ledger was copied")
	}
}

func writeInTurn(disk *Disk, stop <-chan struct{}) error {
	for n := uint64(1); ; n++ {
		select {
		case <-stop:
			return nil
		default:
		}
		value := binary.BigEndian.AppendUint64(nil, n)
		var batch Batch
		batch.Put("n", value)
		if err := errors.Join(disk.Append(&batch), disk.WritePage("n", value)); err != nil {
			return err
		}
	}
}

// copied gives what the page and the record of a copy say; 0 where there is none yet.
func copied(t *testing.T, dir string) (page, record uint64) {
	t.Helper()
	to := filepath.Join(t.TempDir(), "copy")
	if err := Copy(dir, to); err != nil {
		t.Fatal(err)
	}
	disk := openDisk(t, to)
	defer closeDisk(t, disk)
	if !disk.Lost().IsZero() {
		t.Fatal("the copy is damaged")
	}
	err := disk.LoadPage("n", func(b []byte) bool {
		page = binary.BigEndian.Uint64(b)
		return true
	})
	if err != nil && !errors.Is(err, ErrNoPage) {
		t.Fatal(err)
	}
	if err := disk.Load("n", func(_ string, b []byte) error {
		record = binary.BigEndian.Uint64(b)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return page, record
}
