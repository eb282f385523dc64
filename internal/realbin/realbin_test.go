package realbin

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// recorder is a testing.TB that notes how a test was ended instead of ending this one.
type recorder struct {
	testing.TB
	fatal, skip string
}

func (r *recorder) Helper() {}

func (r *recorder) Fatalf(format string, args ...any) {
	r.fatal = fmt.Sprintf(format, args...)
	panic(r)
}

func (r *recorder) Skipf(format string, args ...any) {
	r.skip = fmt.Sprintf(format, args...)
	panic(r)
}

func record(t *testing.T, f func(testing.TB)) (r *recorder) {
	t.Helper()
	r = &recorder{TB: t}
	defer func() { _ = recover() }()
	f(r)
	return r
}

func TestMissingBinarySkipsLoudly(t *testing.T) {
	t.Setenv("FEDSCRAPE_FORBID_SKIP", "")
	t.Setenv("FEDSCRAPE_CONSUL_BIN", "")
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	r := record(t, func(tb testing.TB) { Consul(tb) })
	for _, want := range []string{"NOT TESTED", consulName, "make tools", "FEDSCRAPE_CONSUL_BIN"} {
		if !strings.Contains(r.skip, want) {
			t.Errorf("skip message %q lacks %q", r.skip, want)
		}
	}
}

func TestForbiddenSkipFails(t *testing.T) {
	t.Setenv("FEDSCRAPE_FORBID_SKIP", "1")
	t.Setenv("FEDSCRAPE_PROMTOOL_BIN", "")
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	for name, f := range map[string]func(testing.TB){
		"promtool": func(tb testing.TB) { Promtool(tb) },
		"python":   func(tb testing.TB) { Python(tb, "no_such_module_of_python") },
	} {
		if r := record(t, f); r.skip != "" || !strings.Contains(r.fatal, "NOT TESTED") {
			t.Errorf("%s: skip %q, fatal %q; want a failure", name, r.skip, r.fatal)
		}
	}
}

func TestNamedBinaryThatIsNoneFails(t *testing.T) {
	t.Setenv("FEDSCRAPE_FORBID_SKIP", "")
	t.Setenv("FEDSCRAPE_PROMETHEUS_BIN", filepath.Join(t.TempDir(), "nothing"))
	if r := record(t, func(tb testing.TB) { Prometheus(tb) }); r.fatal == "" {
		t.Errorf("skip %q, want a failure", r.skip)
	}
}

func TestEnvironmentBeatsCache(t *testing.T) {
	path := filepath.Join(t.TempDir(), "consul")
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("FEDSCRAPE_CONSUL_BIN", path)
	if got := Consul(t); got != path {
		t.Errorf("got %s, want %s", got, path)
	}
}

func TestFreePortsDiffer(t *testing.T) {
	seen := map[int]bool{}
	for range 50 {
		port := FreePort(t)
		if seen[port] {
			t.Fatalf("port %d given twice", port)
		}
		seen[port] = true
	}
}

func TestConsulLivesAsLongAsItsTest(t *testing.T) {
	var addr string
	t.Run("alive", func(t *testing.T) {
		addr = StartConsul(t, ConsulOptions{})
		if _, body, err := get(t.Context(), "http://"+addr+"/v1/agent/self"); err != nil || !strings.Contains(body, "1.22.7") {
			t.Fatalf("agent/self: %v %.200s", err, body)
		}
	})
	refused(t, addr)
}

func TestKilledConsulStartsOnItsPortAgain(t *testing.T) {
	port := FreePort(t)
	agent := ConsulAgent(t, ConsulOptions{HTTPPort: port})
	agent.Kill()
	refused(t, agent.Addr)
	if again := StartConsul(t, ConsulOptions{HTTPPort: port}); again != agent.Addr {
		t.Errorf("second address %s, first %s", again, agent.Addr)
	}
}

func TestPrometheusLivesAsLongAsItsTest(t *testing.T) {
	var url string
	t.Run("alive", func(t *testing.T) {
		url = StartPrometheus(t, "global: {scrape_interval: 1s}\n", "--web.enable-lifecycle")
		if status, _, err := get(t.Context(), url+"/api/v1/status/config"); err != nil || status != 200 {
			t.Fatalf("status/config: %v %d", err, status)
		}
	})
	refused(t, strings.TrimPrefix(url, "http://"))
}

func TestServerThatEndsIsReportedWithItsOutput(t *testing.T) {
	r := record(t, func(tb testing.TB) { StartPrometheus(tb, "nonsense: [\n") })
	if !strings.Contains(r.fatal, "nonsense") && !strings.Contains(r.fatal, "yaml") {
		t.Errorf("message %q does not say why", r.fatal)
	}
}

func refused(t *testing.T, addr string) {
	t.Helper()
	if addr == "" {
		t.SkipNow() // the part is missing, and was reported so
	}
	dialer := net.Dialer{Timeout: time.Second}
	if conn, err := dialer.DialContext(t.Context(), "tcp", addr); err == nil {
		_ = conn.Close()
		t.Errorf("%s still answers", addr)
	}
}
