//go:build unix

package ledger

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// lockDir takes the directory for this process. The kernel frees it when the process ends, however it ends.
func lockDir(dir string) (io.Closer, error) {
	file, err := os.OpenFile(filepath.Join(dir, lockName), os.O_RDWR|os.O_CREATE, 0o640)
	if err != nil {
		return nil, fmt.Errorf("lock the ledger: %w", err)
	}
	if err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil { //nolint:gosec // a descriptor is small
		defer func() { _ = file.Close() }()
		if err != syscall.EWOULDBLOCK {
			return nil, fmt.Errorf("lock the ledger: %w", err)
		}
		holder, _ := io.ReadAll(io.LimitReader(file, 1024))
		return nil, &HeldError{Dir: dir, Holder: strings.TrimSpace(string(holder))}
	}
	host, _ := os.Hostname()
	if err := file.Truncate(0); err == nil {
		_, _ = fmt.Fprintf(file, "process %d on %s since %s\n", os.Getpid(), host, time.Now().UTC().Format(time.RFC3339))
	}
	return file, nil
}
