package python_test

import (
	"bytes"
	"fmt"
	"net/http"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/fedscrape/fedscrape/internal/realbin"
)

// gunicorn runs the example application.
func gunicorn(t *testing.T, p *peer, args ...string) (cmd *exec.Cmd, url string) {
	t.Helper()
	addr := fmt.Sprintf("127.0.0.1:%d", realbin.FreePort(t))
	config, err := filepath.Abs(filepath.Join("testdata", "patient.conf.py"))
	if err != nil {
		t.Fatal(err)
	}
	args = append([]string{"-m", "gunicorn", "-c", config, "app:app"}, args...)
	cmd = exec.CommandContext(t.Context(), realbin.Python(t, "prometheus_client", "flask", "gunicorn"), args...)
	cmd.Dir = filepath.Join("..", "gunicorn") // the configuration takes the one that is there
	cmd.Env = append(environment(t, p), "BIND="+addr)
	var log bytes.Buffer
	cmd.Stdout, cmd.Stderr = &log, &log
	cmd.WaitDelay = 5 * time.Second
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if cmd.ProcessState == nil {
			_ = cmd.Process.Signal(syscall.SIGTERM)
			_ = cmd.Wait()
		}
		if t.Failed() {
			t.Logf("gunicorn:\n%s", log.String())
		}
	})
	return cmd, "http://" + addr
}

var fired = regexp.MustCompile(`(?m)^request_count_total\{[^}]*endpoint="/fire"[^}]*\} ([0-9.e+]+)$`)

// firedIn is what the final pages have counted together.
func firedIn(p *peer) int {
	sum := 0
	for _, final := range p.of("final") {
		for _, match := range fired.FindAllStringSubmatch(final.body, -1) {
			value, _ := strconv.ParseFloat(match[1], 64)
			sum += int(value)
		}
	}
	return sum
}

func TestGunicornLosesNothing(t *testing.T) {
	f := func(name string, requests int, end syscall.Signal, args ...string) {
		t.Run(name, func(t *testing.T) {
			p := newPeer(t, nil)
			cmd, url := gunicorn(t, p, args...)
			p.await(t, "register", 1)
			for range requests {
				if got := fetch(t, http.MethodGet, url+"/fire", nil); got.status != http.StatusOK {
					t.Fatalf("/fire: %+v", got)
				}
			}
			_ = cmd.Process.Signal(end)
			if err := cmd.Wait(); err != nil {
				t.Errorf("gunicorn ended: %v", err)
			}
			for _, c := range p.of("register") {
				if story := p.story(c.id); story != "register final deregister" {
					t.Errorf("worker %s: %s", c.id, story)
				}
			}
			if got := firedIn(p); got != requests {
				t.Errorf("the final pages have %d requests, want %d", got, requests)
			}
		})
	}
	f("SIGTERM", 50, syscall.SIGTERM, "--workers", "2", "--max-requests", "0")
	f("SIGINT", 20, syscall.SIGINT, "--workers", "2", "--max-requests", "0")
	f("recycled", 150, syscall.SIGTERM, "--workers", "2", "--max-requests", "10", "--max-requests-jitter", "0")
	f("threads", 100, syscall.SIGTERM, "--workers", "2", "--threads", "4", "--max-requests", "20", "--max-requests-jitter", "0")
	f("preload", 100, syscall.SIGTERM, "--preload", "--workers", "2", "--max-requests", "20", "--max-requests-jitter", "0")
}
