package discovery

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
)

func TestFileDiscovery(t *testing.T) {
	path := filepath.Join(t.TempDir(), "targets.json")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(path+".new", []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(path+".new", path); err != nil {
			t.Fatal(err)
		}
	}
	write(`[{"targets": ["a:1"], "labels": {"worker_id": "3"}}]`)
	one := job(t, "webapp", `file_sd_configs: [{files: [targets.json], refresh_interval: 1s}]`)
	one.Discovery.SetDirectory(filepath.Dir(path))
	r := start(t, one)
	got := r.await(t, "the worker", workers(1)).Workers[0]
	if got.Address != "a:1" || got.WorkerID != "3" || got.Labels["__meta_filepath"] != "" {
		t.Errorf("%+v", got)
	}
	write(`[{"targets": ["a:1", "b:2"]}]`)
	r.await(t, "both", workers(2))
	write(`[]`)
	r.await(t, "none", workers(0))
}

func TestHTTPDiscovery(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte(`[{"targets": ["a:1"], "labels": {"__metrics_path__": "/m"}}]`))
	}))
	defer server.Close()
	r := start(t, job(t, "webapp", fmt.Sprintf(`http_sd_configs: [{url: %q}]`, server.URL)))
	got := r.await(t, "the worker", workers(1)).Workers[0]
	if got.URL() != "http://a:1/m" {
		t.Errorf("%+v", got)
	}
	r.stop()
	http.DefaultClient.CloseIdleConnections()
}

func TestDNSDiscoveryStops(t *testing.T) {
	r := start(t, job(t, "webapp", `dns_sd_configs: [{names: [_x._tcp.invalid.], refresh_interval: 1h}]`))
	r.quiet(t, 0)
	r.stop()
}
