package realbin

import "syscall"

// dieWithParent has the kernel end the process when the test's process dies without running its cleanup (a panic,
// the timeout of go test, kill -9).
func dieWithParent() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}
