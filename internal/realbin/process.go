package realbin

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"
)

// startTimeout is how long a process may take until it answers: Consul's leader is there after a quarter of a
// second, but a busy CI machine with a cold disk has been seen to take ten.
const startTimeout = 2 * time.Minute

// Process is a real server that runs until the test ends.
type Process struct {
	// Addr is its host:port on loopback.
	Addr string

	cmd    *exec.Cmd
	output *tail
	exited chan struct{}
	kill   sync.Once
}

// start runs the binary and ends it with the test.
func start(t testing.TB, addr, path string, args ...string) *Process {
	t.Helper()
	p := &Process{Addr: addr, cmd: exec.Command(path, args...), output: &tail{}, exited: make(chan struct{})} //nolint:noctx // Kill ends it
	p.cmd.Stdout, p.cmd.Stderr = p.output, p.output
	p.cmd.Dir = t.TempDir()
	p.cmd.SysProcAttr = dieWithParent()
	if err := p.cmd.Start(); err != nil {
		t.Fatalf("start %s: %v", path, err)
	}
	go func() {
		defer close(p.exited)
		_ = p.cmd.Wait() // always the signal of Kill, or what await reports
	}()
	t.Cleanup(p.Kill)
	return p
}

// Kill ends the process as kill -9 does and waits for it. It may be called more than once.
func (p *Process) Kill() {
	p.kill.Do(func() { _ = p.cmd.Process.Kill() })
	<-p.exited
}

// Pid is the process's id.
func (p *Process) Pid() int { return p.cmd.Process.Pid }

// errExited tells a process that ended by itself, which may be a lost race for a port, from one that is slow.
var errExited = errors.New("process ended")

// await polls until ready says yes.
func (p *Process) await(ctx context.Context, url string, ready func(status int, body string) bool) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		if status, body, err := get(ctx, url); err == nil && ready(status, body) {
			return nil
		}
		select {
		case <-p.exited:
			return fmt.Errorf("%w: %s", errExited, lastLines(p.output.String()))
		case <-ctx.Done():
			return fmt.Errorf("wait for %s: %w: %s", url, ctx.Err(), lastLines(p.output.String()))
		case <-tick.C:
		}
	}
}

// client keeps no connection, so that a test's goleak finds none of ours.
var client = &http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}

func get(ctx context.Context, url string) (int, string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return 0, "", err
	}
	resp, err := client.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 1<<16))
	return resp.StatusCode, string(body), err
}

// FreePort is a port of 127.0.0.1 that nobody listens on, by TCP or UDP, and that no other call of this process has
// given out.
func FreePort(t testing.TB) int {
	t.Helper()
	for range 200 {
		port := ports.next()
		if port != 0 && free(t.Context(), port) {
			return port
		}
	}
	t.Fatal("find a free port: 200 ports tried, all taken")
	return 0
}

func free(ctx context.Context, port int) bool {
	addr := fmt.Sprintf("127.0.0.1:%d", port)
	var config net.ListenConfig
	tcp, err := config.Listen(ctx, "tcp", addr)
	if err != nil {
		return false
	}
	defer func() { _ = tcp.Close() }()
	udp, err := config.ListenPacket(ctx, "udp", addr)
	if err != nil {
		return false
	}
	defer func() { _ = udp.Close() }()
	return true
}

// tail keeps the last part of what a process says.
type tail struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

const tailSize = 64 << 10

func (w *tail) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.buf.Len() > tailSize {
		w.buf.Next(w.buf.Len() - tailSize/2)
	}
	return w.buf.Write(p)
}

func (w *tail) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return strings.ToValidUTF8(w.buf.String(), "?")
}
