package python_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/fedscrape/fedscrape/internal/realbin"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// What a second is too short for on a busy machine says nothing of the helper. Where something hangs it has
// hangingBudget, and whatever is not held to that takes a minute; elsewhere it has more than anything takes.
const (
	hangingBudget = 4 * time.Second
	slack         = 26 * time.Second
	hanging       = "BUDGET=4"
	ownBudget     = "BUDGET="
)

// process is a Python process that runs what a test sends it.
type process struct {
	cmd    *exec.Cmd
	stdin  io.WriteCloser
	stdout *bufio.Reader
	stderr *bytes.Buffer
	waited bool
}

// python starts one, with the peer as agent and federator.
func python(t *testing.T, p *peer, env ...string) *process {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), realbin.Python(t, "prometheus_client"), filepath.Join("testdata", "driver.py"))
	cmd.Env = append(environment(t, p), env...)
	proc := &process{cmd: cmd, stderr: &bytes.Buffer{}}
	cmd.Stderr = proc.stderr
	cmd.WaitDelay = time.Second // children may outlive it and hold its pipes
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	proc.stdout = bufio.NewReader(stdout)
	if proc.stdin, err = cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		proc.kill()
		if t.Failed() {
			t.Logf("its log:\n%s", proc.stderr)
		}
	})
	return proc
}

// environment is that of a host of its own: its lock files are the test's.
func environment(t *testing.T, p *peer) []string {
	t.Helper()
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	return append(os.Environ(), "PYTHONPATH="+clientPython()+here, "PYTHONDONTWRITEBYTECODE=1", "BUDGET=20", "TMPDIR="+tempDir(t),
		"CONSUL_HTTP_ADDR="+p.URL, "FEDSCRAPE_URL="+p.URL+"/", "http_proxy=http://127.0.0.1:1")
}

// clientPython is the folder of another prometheus_client than Debian's, where one is named: a checkout, or what
// pip install --target has filled.
func clientPython() string {
	if dir := os.Getenv("FEDSCRAPE_CLIENT_PYTHON"); dir != "" {
		return dir + string(os.PathListSeparator)
	}
	return ""
}

// dirs has one folder for the lock files of each test, whatever number of processes it starts.
var dirs sync.Map

func tempDir(t *testing.T) string {
	t.Helper()
	dir, known := dirs.LoadOrStore(t.Name(), t.TempDir())
	if !known {
		t.Cleanup(func() { dirs.Delete(t.Name()) })
	}
	return dir.(string)
}

// do runs code and gives its value as JSON.
func (p *process) do(t *testing.T, code string) string {
	t.Helper()
	line, err := json.Marshal(code)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.stdin.Write(append(line, '\n')); err != nil {
		t.Fatalf("send %q: %v", code, err)
	}
	answer, err := p.stdout.ReadString('\n')
	if err != nil {
		p.kill()
		t.Fatalf("run %q: %v", code, err)
	}
	return strings.Trim(strings.TrimSpace(answer), `"`)
}

// end lets the process end as a script does, and gives how long it took and how it ended.
func (p *process) end(t *testing.T) (time.Duration, error) {
	t.Helper()
	begin := time.Now()
	_ = p.stdin.Close()
	return p.wait(begin)
}

func (p *process) wait(begin time.Time) (time.Duration, error) {
	p.waited = true
	err := p.cmd.Wait()
	return time.Since(begin), err
}

func (p *process) kill() {
	if !p.waited {
		_ = p.cmd.Process.Kill()
		_, _ = p.wait(time.Now())
	}
}

// start makes the process a worker and gives the URL of its page.
func (p *process) start(t *testing.T) string {
	t.Helper()
	p.do(t, "w = fw.start('webapp', instance='web1:8000')")
	return "http://127.0.0.1:" + p.do(t, "w.port") + "/metrics"
}

// answer is what a server says.
type answer struct {
	status int
	header http.Header
	body   string
}

func fetch(t *testing.T, method, url string, header map[string]string) answer {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	for key, value := range header {
		req.Header.Set(key, value)
	}
	client := &http.Client{
		Transport: &http.Transport{DisableKeepAlives: true, DisableCompression: true},
		Timeout:   time.Minute,
	}
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	if length := resp.Header.Get("Content-Length"); method != http.MethodHead && length != strconv.Itoa(len(body)) {
		t.Errorf("%s %s: Content-Length %q of %d bytes", method, url, length, len(body))
	}
	return answer{resp.StatusCode, resp.Header, string(body)}
}
