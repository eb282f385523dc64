//go:build unix

package worker

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
)

// takeSlot takes the lowest free slot. The kernel frees it when the process ends, however it ends.
func takeSlot(job, instance string) (slot int, release func(), err error) {
	folder, err := slotFolder(job, instance)
	if err != nil {
		return 0, nil, fmt.Errorf("take a slot: %w", err)
	}
	for slot := range maxSlots {
		file, err := lockFile(filepath.Join(folder, strconv.Itoa(slot)+".lock"))
		if errors.Is(err, syscall.EWOULDBLOCK) {
			continue
		}
		if err != nil {
			return 0, nil, fmt.Errorf("take a slot: %w", err)
		}
		return slot, func() { _ = file.Close() }, nil
	}
	return 0, nil, fmt.Errorf("take a slot: all %d in %s are held", maxSlots, folder)
}

// lockFile opens and locks the file, which is never removed: a file that has a new inode would have a second holder.
func lockFile(path string) (*os.File, error) {
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|syscall.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, err
	}
	for {
		err = syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if !errors.Is(err, syscall.EINTR) {
			break
		}
	}
	if err != nil {
		_ = file.Close()
		return nil, &os.PathError{Op: "lock", Path: path, Err: err}
	}
	return file, nil
}

func ownedByUs(info os.FileInfo) bool {
	stat, ok := info.Sys().(*syscall.Stat_t)
	return ok && int(stat.Uid) == os.Geteuid()
}
