package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/fedscrape/fedscrape/internal/realbin"
)

// TestTargetsForPrometheus has a real Prometheus read what `fedscrape targets --watch` writes, both lists from one
// directory, while workers come and go.
func TestTargetsForPrometheus(t *testing.T) {
	f := serve(t, "", "")
	dir := t.TempDir()
	workers := targets(t, dir, "workers.json", "--config.file="+filepath.Join(f.cmd.Dir, "fedscrape.yml"))
	instances := targets(t, dir, "instances.json", "--mode=instances", "--federator.url="+f.url)
	p := &prometheus{realbin.StartPrometheus(t, fmt.Sprintf(`
global:
  scrape_interval: 1s
  scrape_timeout: 1s
scrape_configs:
  - job_name: instances
    file_sd_configs:
      - files: ['%[1]s/instances.json']
        refresh_interval: 1s
  - job_name: workers
    file_sd_configs:
      - files: ['%[1]s/*workers*.json']
        refresh_interval: 1s
`, dir))}
	c, app := f.gunicorn(t)
	f.awaitWorkers(t, 4)
	fire(t, app, 20)
	p.await(t, `reqs_total{view="fire",job="webapp",instance="web1:8000",worker_id=""}`, 20)
	p.await(t, `count(up{job="webapp",instance="web1:8000",worker_id=~"[0-3]"} == 1)`, 4)
	p.await(t, `sum(reqs_total{view="fire",job="webapp",worker_id!=""})`, 20)
	if err := c.end(syscall.SIGTERM); err != nil {
		t.Errorf("gunicorn: %v", err)
	}
	await(t, "the workers to be gone from the file", func() bool {
		text, err := os.ReadFile(filepath.Join(dir, "workers.json"))
		return err == nil && string(text) == "[]\n"
	})
	p.await(t, `up{job="webapp",worker_id=""}`, 0) // the instance stays, and says that it is down
	for _, c := range []*child{workers, instances} {
		if err := c.end(syscall.SIGTERM); err != nil {
			t.Errorf("targets: %v", err)
		}
	}
	if found, _ := filepath.Glob(filepath.Join(dir, ".*")); len(found) > 0 {
		t.Errorf("left over: %v", found)
	}
}

func targets(t *testing.T, dir, output string, args ...string) *child {
	t.Helper()
	return startChild(t, dir, nil, program, append([]string{"targets", "--watch", "--output=" + filepath.Join(dir, output)}, args...)...)
}
