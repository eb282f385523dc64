package e2e

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fedscrape/fedscrape/internal/realbin"
)

// consulCLI runs the real consul command against an agent and gives its output.
func consulCLI(t *testing.T, addr string, args ...string) (string, error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), realbin.Consul(t), args...)
	cmd.Env = append(os.Environ(), "CONSUL_HTTP_ADDR=http://"+addr)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// TestPrometheusFindsWorkersInTheRegistry points Prometheus' own Consul discovery at the embedded registry, in three ways: by
// name and tags, by node meta, and by filters.
func TestPrometheusFindsWorkersInTheRegistry(t *testing.T) {
	f := serve(t, "", "")
	_, app := f.gunicorn(t)
	f.awaitWorkers(t, 4)
	fire(t, app, 12)
	p := &prometheus{realbin.StartPrometheus(t, fmt.Sprintf(`
global:
  scrape_interval: 1s
  scrape_timeout: 1s
scrape_configs:
  - job_name: tags
    consul_sd_configs: [{server: %[1]q, services: [webapp], tags: [fedscrape], refresh_interval: 1s}]
    relabel_configs: &relabel
      - {source_labels: [__meta_consul_service_metadata_worker_id], target_label: worker_id}
      - {source_labels: [__meta_consul_service_metadata_instance], target_label: instance}
      - {source_labels: [__meta_consul_dc], target_label: dc}
  - job_name: meta
    consul_sd_configs: [{server: %[1]q, node_meta: {consul-version: 1.22.7}, refresh_interval: 1s}]
    relabel_configs: *relabel
  - job_name: filter
    consul_sd_configs: [{server: %[1]q, services: [webapp], filter: 'ServiceMeta.worker_id == "2"', refresh_interval: 1s}]
    relabel_configs: *relabel
  - job_name: none
    consul_sd_configs: [{server: %[1]q, node_meta: {rack: r1}, refresh_interval: 1s}]
`, f.registry))}
	p.await(t, `count(up{job="tags",instance="web1:8000",dc="dc1",worker_id=~"[0-3]"} == 1)`, 4)
	p.await(t, `count(up{job="meta",instance="web1:8000",worker_id=~"[0-3]"} == 1)`, 4)
	p.await(t, `sum without (worker_id) (reqs_total{view="fire",job="tags"})`, 12)
	if up := p.query(t, `up{job="none"}`); len(up) != 0 {
		t.Errorf("workers on a node that is none: %v", up)
	}
	p.await(t, `count(up{job="filter"} == 1) >= 1`, 4) // a filter of the catalog chooses services, as with Consul
}

// TestConsulCommandWorksAgainstTheRegistry registers a service with a check from a file, as an operator does.
func TestConsulCommandWorksAgainstTheRegistry(t *testing.T) {
	f := serve(t, "", "")
	worker := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("up 1\n")) }))
	t.Cleanup(worker.Close)
	_, port, err := net.SplitHostPort(worker.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	consul := func(args ...string) string {
		t.Helper()
		out, err := consulCLI(t, f.registry, args...)
		if err != nil {
			t.Fatalf("consul %v: %v\n%s", args, err, out)
		}
		return out
	}
	file := filepath.Join(t.TempDir(), "service.hcl")
	writeFile(t, file, fmt.Sprintf(`service {
  name = "webapp"
  id = "by-hand"
  address = "127.0.0.1"
  port = %s
  tags = ["fedscrape"]
  meta = { instance = "web2:8000", worker_id = "7" }
  check = { http = "%s/", interval = "1s" }
}`, port, worker.URL))
	if out := consul("services", "register", file); !strings.Contains(out, "Registered service: webapp") {
		t.Errorf("register: %s", out)
	}
	if out := consul("catalog", "services", "-tags"); !strings.Contains(out, "webapp") || !strings.Contains(out, "fedscrape") {
		t.Errorf("catalog services: %s", out)
	}
	nodes := consul("catalog", "nodes", "-service=webapp")
	members := consul("members")
	node := strings.Fields(strings.Split(nodes, "\n")[1])[0]
	if !strings.Contains(members, node) || !strings.Contains(members, "alive") {
		t.Errorf("catalog nodes: %s\nmembers: %s", nodes, members)
	}
	if out := consul("catalog", "datacenters"); strings.TrimSpace(out) != "dc1" {
		t.Errorf("catalog datacenters: %s", out)
	}
	await(t, "the HTTP check", func() bool {
		status, _ := get(t.Context(), "http://"+f.registry+"/v1/agent/health/service/id/by-hand")
		return status == http.StatusOK
	})
	await(t, "the federator to merge it", func() bool {
		_, body := get(t.Context(), f.url+"/merged?job=webapp&instance=web2:8000")
		return value(body, `fedscrape_workers{state="up"}`) == 1
	})
	consul("maint", "-enable", "-service=by-hand", "-reason=test")
	if status, _ := get(t.Context(), "http://"+f.registry+"/v1/agent/health/service/id/by-hand"); status != http.StatusServiceUnavailable {
		t.Errorf("in maintenance: %d", status)
	}
	consul("services", "deregister", "-id=by-hand")
	if out := consul("catalog", "services"); strings.Contains(out, "webapp") {
		t.Errorf("deregistered, and told: %s", out)
	}
	out, err := consulCLI(t, f.registry, "kv", "get", "x")
	if err == nil || !strings.Contains(out, "/v1/kv is not served by fedscrape's embedded registry: use a real Consul") {
		t.Errorf("kv get: %v %s", err, out)
	}
}
