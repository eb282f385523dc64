package ledger

import (
	"os"
	"runtime"

	"golang.org/x/sys/unix"
)

// writev writes parts that follow one another, and gives how many bytes of them are written: what comes after those is to be
// written again.
func writev(file *os.File, at int64, parts [][]byte) (n int) {
	n, err := unix.Pwritev(int(file.Fd()), parts, at)
	runtime.KeepAlive(file)
	if err != nil {
		return 0
	}
	return n
}
