package e2e

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/fedscrape/fedscrape/internal/realbin"
)

// residentKB is a process' VmRSS.
func residentKB(t *testing.T, pid int) int {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		realbin.Skip(t, "/proc (Linux)")
	}
	match := regexp.MustCompile(`VmRSS:\s+(\d+) kB`).FindSubmatch(status)
	if match == nil {
		t.Fatalf("no VmRSS:\n%s", status)
	}
	kb, _ := strconv.Atoi(string(match[1]))
	return kb
}

// TestSize holds the program as it is shipped against its bounds: 30 MB on disk, 40 MB of memory when idle.
func TestSize(t *testing.T) {
	shipped := filepath.Join(t.TempDir(), "fedscrape")
	build := exec.CommandContext(t.Context(), "go", "build", "-trimpath", "-ldflags", "-s -w", "-o", shipped, "../../cmd/fedscrape")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	info, err := os.Stat(shipped)
	if err != nil {
		t.Fatal(err)
	}
	if info.Size() >= 30_000_000 {
		t.Errorf("the binary has %d bytes", info.Size())
	}
	tested := program
	program = shipped
	defer func() { program = tested }()
	f := serve(t, "", "")
	await(t, "discovery", func() bool {
		status, _ := get(t.Context(), f.url+"/sd/instances")
		return status == http.StatusOK
	})
	kb := residentKB(t, f.cmd.Process.Pid)
	if kb >= 40_000 {
		t.Errorf("idle it has %d kB", kb)
	}
	t.Logf("binary %d bytes, idle RSS %d kB", info.Size(), kb)
}

// TestStop ends the federator as a service manager does.
func TestStop(t *testing.T) {
	f := serve(t, "", "")
	begun := time.Now()
	if err := f.end(syscall.SIGTERM); err != nil {
		t.Errorf("SIGTERM: %v", err)
	}
	if took := time.Since(begun); took > 10*time.Second {
		t.Errorf("it took %s", took)
	}
}
