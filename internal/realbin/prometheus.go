package realbin

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

// StartPrometheus runs a Prometheus with this configuration until the test ends, waits until it is ready, and gives
// its URL. args are further flags, for example --web.enable-lifecycle.
func StartPrometheus(t testing.TB, configYAML string, args ...string) string {
	t.Helper()
	path := Prometheus(t)
	var err error
	for range 3 {
		var p *Process
		if p, err = startPrometheus(t, path, configYAML, args); err == nil {
			return "http://" + p.Addr
		}
		if p.Kill(); !errors.Is(err, errExited) {
			break
		}
	}
	t.Fatalf("start Prometheus: %v", err)
	return ""
}

func startPrometheus(t testing.TB, path, configYAML string, args []string) (*Process, error) {
	t.Helper()
	dir := t.TempDir()
	config := filepath.Join(dir, "prometheus.yml")
	if err := os.WriteFile(config, []byte(configYAML), 0o600); err != nil {
		t.Fatal(err)
	}
	addr := fmt.Sprintf("127.0.0.1:%d", FreePort(t))
	p := start(t, addr, path, append([]string{
		"--config.file=" + config, "--storage.tsdb.path=" + filepath.Join(dir, "data"),
		"--web.listen-address=" + addr, "--log.level=warn",
	}, args...)...)
	return p, p.await(t.Context(), "http://"+addr+"/-/ready", func(status int, _ string) bool { return status == 200 })
}
