package discovery

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync/atomic"
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

// TestHTTPDiscoveryAsConfigured has client options of its own, asks again, and keeps its list where the answer is an error;
// what the job says of the workers' URLs goes for these workers too.
func TestHTTPDiscoveryAsConfigured(t *testing.T) {
	var list atomic.Pointer[string]
	answer := func(text string) { list.Store(&text) }
	asked := make(chan string, 1)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		select {
		case asked <- r.Header.Get("Authorization") + " " + r.Header.Get("X-Tenant"):
		default:
		}
		if *list.Load() == "" {
			http.Error(w, "scripted", http.StatusServiceUnavailable)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte(*list.Load()))
	}))
	defer server.Close()
	answer(`[{"targets": ["a:1"]}]`)
	r := start(t, job(t, "webapp", fmt.Sprintf(`
scheme: https
metrics_path: /stats
params: {module: [x]}
http_sd_configs:
  - url: %q
    refresh_interval: 100ms
    basic_auth: {username: u, password: p}
    http_headers: {X-Tenant: {values: [blue]}}
`, server.URL)))
	got := r.await(t, "the worker", workers(1)).Workers[0]
	if got.URL() != "https://a:1/stats?module=x" {
		t.Errorf("URL %s", got.URL())
	}
	if header := <-asked; header != "Basic dTpw blue" {
		t.Errorf("asked with %q", header)
	}
	answer("")
	for range 3 { // the channel holds one from before
		<-asked
	}
	answer(`[{"targets": ["a:1", "b:2"]}]`)
	if u := r.await(t, "the next list", func(u Update) bool { return len(u.Workers) != 1 }); len(u.Workers) != 2 {
		t.Errorf("%d workers after an error, which should keep the list", len(u.Workers))
	}
	r.stop()
	http.DefaultClient.CloseIdleConnections()
}

func TestDNSDiscoveryStops(t *testing.T) {
	r := start(t, job(t, "webapp", `dns_sd_configs: [{names: [_x._tcp.invalid.], refresh_interval: 1h}]`))
	r.quiet(t, 0)
	r.stop()
}
