package main

import (
	"bufio"
	"bytes"
	"errors"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"syscall"
	"testing"
	"time"
)

// demoProcess is a demo in a process group of its own, as a shell would start it.
type demoProcess struct {
	*exec.Cmd
	url    string
	pids   []int // of the workers
	stderr bytes.Buffer
	ended  chan error
}

// startDemo returns when all workers are up.
func startDemo(t *testing.T, workers int) *demoProcess {
	t.Helper()
	d := &demoProcess{ended: make(chan error, 1)}
	d.Cmd = exec.Command("fedscrape", "demo", "--web.listen-address=127.0.0.1:0", "--workers="+strconv.Itoa(workers))
	d.Env = append(os.Environ(), "TMPDIR="+t.TempDir()) // one that is killed leaves its ledger
	d.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	d.Stderr, d.WaitDelay = &d.stderr, 30*time.Second
	stdout, err := d.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = syscall.Kill(-d.Process.Pid, syscall.SIGKILL) })
	line := regexp.MustCompile(`what a person sees +(http://127\.0\.0\.1:[1-9][0-9]*)/`)
	for lines := bufio.NewScanner(stdout); d.url == "" && lines.Scan(); {
		if found := line.FindStringSubmatch(lines.Text()); found != nil {
			d.url = found[1]
		}
	}
	go func() { d.ended <- d.Wait() }()
	d.waitForWorkers(t, workers)
	return d
}

func (d *demoProcess) waitForWorkers(t *testing.T, want int) {
	t.Helper()
	worker := regexp.MustCompile(`"serviceId":"demo-[^"]*-([0-9]+)-[0-9a-f]{8}"[^}]*"state":"up"`)
	for deadline := time.Now().Add(time.Minute); len(d.pids) != want; <-time.After(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%d of %d workers are up", len(d.pids), want)
		}
		_, _ = get(http.MethodGet, d.url+"/merged?job=demo&instance=demo-app")
		_, body := get(http.MethodGet, d.url+"/api/v1/instances")
		d.pids = nil
		for _, found := range worker.FindAllStringSubmatch(body, -1) {
			pid, _ := strconv.Atoi(found[1])
			d.pids = append(d.pids, pid)
		}
	}
}

// wantGoodEnd wants exit code 0 in time, nothing to complain about, and no worker process left.
func (d *demoProcess) wantGoodEnd(t *testing.T) {
	t.Helper()
	select {
	case err := <-d.ended:
		if err != nil || slow.ReplaceAllString(d.stderr.String(), "") != "" {
			t.Errorf("ended with %v and said %q", err, d.stderr.String())
		}
	case <-time.After(15 * time.Second):
		t.Fatal("it still runs after 15s")
	}
	for _, pid := range d.pids {
		if err := syscall.Kill(pid, 0); !errors.Is(err, syscall.ESRCH) {
			t.Errorf("worker %d is left: %v", pid, err)
		}
	}
}

func (d *demoProcess) kill(t *testing.T, pid int, s syscall.Signal) {
	t.Helper()
	if err := syscall.Kill(pid, s); err != nil {
		t.Fatal(err)
	}
}

func TestDemoEndsOnTerminate(t *testing.T) {
	d := startDemo(t, 3)
	d.kill(t, d.Process.Pid, syscall.SIGTERM)
	d.wantGoodEnd(t)
}

// A terminal sends Ctrl-C to the whole group: workers wait for the demo, and say goodbye to those who still listen.
func TestDemoEndsOnInterruptOfItsGroup(t *testing.T) {
	d := startDemo(t, 3)
	d.kill(t, -d.Process.Pid, syscall.SIGINT)
	d.wantGoodEnd(t)
}

// Workers that hang share one time to say goodbye in, or many of them would keep the demo for minutes.
func TestDemoEndsWithWorkersThatHang(t *testing.T) {
	d := startDemo(t, 8)
	for _, pid := range d.pids {
		_ = syscall.Kill(pid, syscall.SIGSTOP) // the demo itself may have killed and replaced it a moment ago
	}
	d.kill(t, d.Process.Pid, syscall.SIGTERM)
	d.wantGoodEnd(t)
}

// Workers hold the demo's standard error: Wait returns when the last of them has ended, or after WaitDelay. The error
// does not tell which, because it is that of the kill.
func TestDemoWorkersEndWithAKilledDemo(t *testing.T) {
	d := startDemo(t, 2)
	killed := time.Now()
	d.kill(t, d.Process.Pid, syscall.SIGKILL)
	if err := <-d.ended; time.Since(killed) >= d.WaitDelay {
		t.Errorf("a worker outlives the demo by %v: %v", d.WaitDelay, err)
	}
}
