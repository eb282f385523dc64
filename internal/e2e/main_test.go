// Package e2e runs the real program against real workers, a real Consul and a real Prometheus.
package e2e

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/fedscrape/fedscrape/internal/realbin"
)

// program is the path of the program under test.
var program string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "fedscrape-e2e")
	if err != nil {
		panic(err)
	}
	program = filepath.Join(dir, "fedscrape")
	build := exec.Command("go", "build", "-race", "-o", program, "../../cmd/fedscrape")
	if out, err := build.CombinedOutput(); err != nil {
		panic(fmt.Sprintf("build the program: %v\n%s", err, out))
	}
	code := m.Run()
	http.DefaultTransport.(*http.Transport).CloseIdleConnections()
	if err := goleak.Find(); err != nil && code == 0 {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	_ = os.RemoveAll(dir)
	os.Exit(code)
}

// syncBuffer is what a child wrote.
type syncBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// child is a process of a test. It is ended with the test, by its id.
type child struct {
	cmd   *exec.Cmd
	log   *syncBuffer
	ended chan struct{} // closed when err is set
	err   error         // what it ended with
}

func startChild(t *testing.T, dir string, env []string, name string, args ...string) *child {
	t.Helper()
	c := &child{cmd: exec.Command(name, args...), log: &syncBuffer{}, ended: make(chan struct{})}
	c.cmd.Dir, c.cmd.Env = dir, append(os.Environ(), env...)
	c.cmd.Stdout, c.cmd.Stderr = c.log, c.log
	c.cmd.WaitDelay = 5 * time.Second
	if err := c.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { // the cleanup waits for it
		defer close(c.ended)
		c.err = c.cmd.Wait()
	}()
	t.Cleanup(func() {
		_ = c.end(syscall.SIGTERM)
		if strings.Contains(c.log.String(), "DATA RACE") {
			t.Error("data race")
		}
		if t.Failed() {
			t.Logf("%s %v:\n%s", filepath.Base(name), args, c.log)
		}
	})
	return c
}

// end signals the child and waits for it, at most a minute.
func (c *child) end(signal os.Signal) error {
	_ = c.cmd.Process.Signal(signal)
	timer := time.AfterFunc(time.Minute, func() { _ = c.cmd.Process.Kill() })
	defer timer.Stop()
	<-c.ended
	return c.err
}

// running tells whether the child has not ended yet.
func (c *child) running() bool {
	select {
	case <-c.ended:
		return false
	default:
		return true
	}
}

// await polls until ok, at most two minutes.
func await(t *testing.T, what string, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(2 * time.Minute)
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatalf("waited two minutes for %s", what)
		}
		select {
		case <-t.Context().Done():
			t.Fatal("the test is over")
		case <-time.After(20 * time.Millisecond):
		}
	}
}

var client = &http.Client{Timeout: time.Minute}

// get gives status and body; status 0 where there was no answer.
func get(ctx context.Context, url string) (status int, body string) { return getAs(ctx, url, "") }

// getAs asks for a media type; empty: for none in particular.
func getAs(ctx context.Context, url, accept string) (status int, body string) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return 0, err.Error()
	}
	if accept != "" {
		req.Header.Set("Accept", accept)
	}
	resp, err := client.Do(req)
	if err != nil {
		return 0, err.Error()
	}
	defer func() { _ = resp.Body.Close() }()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, err.Error()
	}
	return resp.StatusCode, string(b)
}

// federator is a running `fedscrape serve`.
type federator struct {
	*child
	url      string
	registry string // what workers register with
}

// serve starts the program with a configuration of the job webapp.
func serve(t *testing.T, consul string, more string, args ...string) *federator {
	t.Helper()
	f := &federator{registry: consul}
	dir, ledger := t.TempDir(), t.TempDir()
	f.start(t, dir, "/-/ready", func(port string) []string {
		all := append([]string{"serve", "--config.file=fedscrape.yml", "--web.listen-address=127.0.0.1:" + port, "--ledger.path=" + ledger}, args...)
		if consul == "" {
			f.registry = freeAddress(t)
			all = append(all, "--registry.listen-address="+f.registry)
		}
		writeFile(t, filepath.Join(dir, "fedscrape.yml"), fmt.Sprintf(`
federate_configs:
  - job_name: webapp
    consul_sd_configs:
      - server: %s
        services: [webapp]
%s`, f.registry, more))
		return all
	})
	return f
}

func freeAddress(t *testing.T) string {
	t.Helper()
	return fmt.Sprintf("127.0.0.1:%d", realbin.FreePort(t))
}

// start runs the program with the arguments for a web port until it answers well at the path; args may change the URL. A port is
// free when it is chosen: where another process was faster to listen on it, others are chosen.
func (f *federator) start(t *testing.T, dir, path string, args func(port string) []string) {
	t.Helper()
	for range 3 {
		port := strconv.Itoa(realbin.FreePort(t))
		f.url = "http://127.0.0.1:" + port
		f.child = startChild(t, dir, nil, program, args(port)...)
		await(t, "the federator", func() bool {
			status, _ := get(t.Context(), f.url+path)
			return status == http.StatusOK && f.listens() || !f.running()
		})
		if f.running() {
			return
		}
		if !strings.Contains(f.log.String(), "address already in use") {
			break
		}
	}
	t.Fatalf("the federator has ended: %v", f.err)
}

func writeFile(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// gunicorn starts the talk's application, whose workers register themselves, and waits for its port.
func (f *federator) gunicorn(t *testing.T, args ...string) (c *child, url string) {
	t.Helper()
	python := realbin.Python(t, "prometheus_client", "flask", "gunicorn")
	bind := freeAddress(t)
	helper, err := filepath.Abs("../../examples/python")
	if err != nil {
		t.Fatal(err)
	}
	args = append([]string{"-m", "gunicorn", "talk:app", "-b", bind}, args...)
	c = startChild(t, "testdata", []string{
		"CONSUL_HTTP_ADDR=" + f.registry, "FEDSCRAPE_URL=" + f.url, "FEDSCRAPE_INSTANCE=web1:8000", "FEDSCRAPE_HELPER=" + helper,
		"BUDGET=20", // of seconds: on a busy machine one is not enough to say goodbye in
		"PYTHONDONTWRITEBYTECODE=1", "TMPDIR=" + t.TempDir(),
	}, python, args...)
	url = "http://" + bind
	return c, url
}

// listens tells whether it is this federator that listens, and nobody else.
func (f *federator) listens() bool { return strings.Contains(f.log.String(), `msg="Listening on"`) }

// merged is the merged endpoint's URL.
func (f *federator) merged() string { return f.url + "/merged?job=webapp&instance=web1:8000" }

// awaitWorkers waits until n workers are up.
func (f *federator) awaitWorkers(t *testing.T, n int) {
	t.Helper()
	await(t, fmt.Sprintf("%d workers", n), func() bool {
		_, body := get(t.Context(), f.merged())
		return value(body, `fedscrape_workers{state="up"}`) == float64(n)
	})
}

// registries runs a test over the embedded registry and a real Consul.
func registries(t *testing.T, test func(t *testing.T, consul string)) {
	t.Run("embedded registry", func(t *testing.T) { test(t, "") })
	t.Run("consul", func(t *testing.T) { test(t, realbin.StartConsul(t, realbin.ConsulOptions{})) })
}
