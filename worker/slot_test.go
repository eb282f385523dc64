package worker

import (
	"bufio"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"go.uber.org/goleak"
)

// holdSlot makes the test binary a process that holds a slot until its standard input ends.
const holdSlot = "FEDSCRAPE_TEST_HOLD_SLOT"

func TestMain(m *testing.M) {
	if os.Getenv(holdSlot) != "" {
		slot, release, err := takeSlot("webapp", "web1:8000")
		if err != nil {
			panic(err)
		}
		_, _ = os.Stdout.WriteString(strconv.Itoa(slot) + "\n")
		_, _ = io.Copy(io.Discard, os.Stdin)
		release()
		os.Exit(0)
	}
	budget = testBudget
	goleak.VerifyTestMain(m)
}

// holder is another process that holds a slot.
type holder struct {
	cmd   *exec.Cmd
	stdin io.Closer
	slot  string
}

func startHolder(t *testing.T) *holder {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), holdSlot+"=1")
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		t.Fatalf("read the slot: %v", err)
	}
	h := &holder{cmd, stdin, strings.TrimSpace(line)}
	t.Cleanup(h.end)
	return h
}

func (h *holder) end() {
	_ = h.stdin.Close()
	_ = h.cmd.Wait()
}

func TestSlotsAreStableAcrossProcesses(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	a, b, c := startHolder(t), startHolder(t), startHolder(t)
	if a.slot != "0" || b.slot != "1" || c.slot != "2" {
		t.Fatalf("slots %s %s %s, want 0 1 2", a.slot, b.slot, c.slot)
	}
	b.end()
	if again := startHolder(t); again.slot != "1" {
		t.Errorf("slot %s after that of 1 ended, want 1", again.slot)
	}
	_ = a.cmd.Process.Kill()
	_ = a.cmd.Wait()
	if again := startHolder(t); again.slot != "0" {
		t.Errorf("slot %s after that of 0 was killed, want 0", again.slot)
	}
}

func TestSlotOfAClosedWorkerIsFree(t *testing.T) {
	newPeer(t, nil)
	o := Options{Job: "webapp", Instance: "i", Gatherer: newRegistry(t)}
	a, b := register(t, o), register(t, o)
	if a.WorkerID() != "0" || b.WorkerID() != "1" {
		t.Fatalf("worker IDs %s and %s, want 0 and 1", a.WorkerID(), b.WorkerID())
	}
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	if c := register(t, o); c.WorkerID() != "0" {
		t.Errorf("worker ID %s, want 0", c.WorkerID())
	}
}

func TestSlotFolderOfOthersIsNotUsed(t *testing.T) {
	f := func(name string, plant func(path string) error) {
		t.Run(name, func(t *testing.T) {
			p := newPeer(t, nil)
			path := filepath.Join(os.TempDir(), "fedscrape-"+strconv.Itoa(os.Geteuid()))
			if err := plant(path); err != nil {
				t.Fatal(err)
			}
			w := register(t, Options{Job: "webapp", Gatherer: newRegistry(t)})
			if id := p.next(t, "register").registration(t).Meta["worker_id"]; id != w.ServiceID() {
				t.Errorf("worker ID %s, want the service ID %s", id, w.ServiceID())
			}
		})
	}
	f("symlink", func(path string) error {
		private := filepath.Join(t.TempDir(), "private")
		if err := os.Mkdir(private, 0o700); err != nil {
			return err
		}
		return os.Symlink(private, path)
	})
	f("open to others", func(path string) error {
		if err := os.Mkdir(path, 0o700); err != nil {
			return err
		}
		return os.Chmod(path, 0o777) //nolint:gosec // the very thing that must be refused
	})
}

func TestLockFileIsNoSymlink(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	folder, err := slotFolder("j", "i")
	if err != nil {
		t.Fatal(err)
	}
	target := filepath.Join(t.TempDir(), "victim")
	if err := os.Symlink(target, filepath.Join(folder, "0.lock")); err != nil {
		t.Fatal(err)
	}
	if _, _, err := takeSlot("j", "i"); err == nil {
		t.Error("a symlink was taken for a lock file")
	}
	if _, err := os.Stat(target); err == nil {
		t.Error("the symlink was followed")
	}
}

// The Python helper has the same cases.
func TestFileName(t *testing.T) {
	f := func(text, want string) {
		t.Helper()
		if got := fileName(text); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
	f("web-1.example_x", "web-1.example_x")
	f("web1:8000/é@", "web1%3A8000%2F%C3%A9%40")
	f(strings.Repeat("a", 101), strings.Repeat("a", 64)+"9d0793397991b57a99a07c6e6b4a92ba")
}
