// Package realbin gives tests the real parts that fedscrape is checked against: Consul, Prometheus, promtool and
// Debian's Python. It is for tests only.
//
// # Missing parts
//
// A test whose part is missing is skipped, and says so loudly, so that `go test` works on a machine with nothing but
// Go. With FEDSCRAPE_FORBID_SKIP set it fails instead: in CI a test that did not run must not look like one that
// passed.
//
// # Processes
//
// Each process listens on loopback only, keeps its data in the test's own folder, and is ended by its pid and waited
// for when the test ends.
package realbin

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// Names of the binaries in the cache: by version, so that a machine can hold several.
const (
	consulName     = "consul-1.22.7"
	prometheusName = "prometheus-v0.315.0"
	promtoolName   = "promtool-v0.315.0"
)

// debianPython is the interpreter that Debian's python3-* packages are installed for; another one on PATH would not
// have them.
const debianPython = "/usr/bin/python3"

// Skip skips the test because what is missing, or fails it where skips are forbidden. what ends with the way out,
// for example "gunicorn is missing: apt-get install gunicorn".
func Skip(t testing.TB, what string) {
	t.Helper()
	if os.Getenv("FEDSCRAPE_FORBID_SKIP") != "" {
		t.Fatalf("NOT TESTED, and FEDSCRAPE_FORBID_SKIP is set: %s", what)
	}
	t.Skipf("\n!!!! NOT TESTED: %s !!!!", what)
}

// Consul is the path of the real Consul.
func Consul(t testing.TB) string {
	t.Helper()
	return find(t, "FEDSCRAPE_CONSUL_BIN", consulName)
}

// Prometheus is the path of the real Prometheus.
func Prometheus(t testing.TB) string {
	t.Helper()
	return find(t, "FEDSCRAPE_PROMETHEUS_BIN", prometheusName)
}

// Promtool is the path of Prometheus' promtool.
func Promtool(t testing.TB) string {
	t.Helper()
	return find(t, "FEDSCRAPE_PROMTOOL_BIN", promtoolName)
}

// Python is the path of Debian's Python when all modules can be imported there.
func Python(t testing.TB, modules ...string) string {
	t.Helper()
	if !executable(debianPython) {
		Skip(t, debianPython+" is missing: apt-get install python3")
	}
	for _, module := range modules {
		if err := exec.CommandContext(t.Context(), debianPython, "-c", "import "+module).Run(); err != nil {
			Skip(t, debianPython+" has no module "+module+": install its Debian package (python3-prometheus-client, python3-flask, gunicorn, ...)")
		}
	}
	return debianPython
}

func find(t testing.TB, variable, name string) string {
	t.Helper()
	if path := os.Getenv(variable); path != "" {
		if !executable(path) {
			// Somebody asked for this very binary: not to run it must never look like a lawful skip.
			t.Fatalf("%s is %q, which is not an executable file", variable, path)
		}
		return path
	}
	path := filepath.Join(cacheDir(), name)
	if !executable(path) {
		Skip(t, path+" is missing: `make tools` builds it, or set "+variable)
	}
	return path
}

// cacheDir is where the Makefile puts the binaries. os.UserCacheDir is not asked, because it is another folder on
// macOS than the one that the Makefile uses.
func cacheDir() string {
	base := os.Getenv("XDG_CACHE_HOME")
	if base == "" {
		home, err := os.UserHomeDir()
		if err != nil {
			home = os.TempDir()
		}
		base = filepath.Join(home, ".cache")
	}
	return filepath.Join(base, "fedscrape")
}

func executable(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0
}

// lastLines is the end of a process's output, short enough for a test's message.
func lastLines(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return strings.Join(lines[max(0, len(lines)-15):], "\n")
}
