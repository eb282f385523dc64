package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fedscrape/fedscrape/discovery"
	"github.com/fedscrape/fedscrape/discovery/registry"
)

// await polls until ok, at most a minute.
func await(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !ok(); <-time.After(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited a minute for %s", what)
		}
	}
}

// watchTargets runs `fedscrape targets --watch` until the test ends, and gives the file and what it logs.
func watchTargets(t *testing.T, args ...string) (output string, log *safeBuilder) {
	t.Helper()
	output, log = filepath.Join(t.TempDir(), "targets.json"), &safeBuilder{}
	cmd := exec.Command("fedscrape", append([]string{"targets", "--watch", "--output=" + output}, args...)...)
	cmd.Stderr = log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		if err := cmd.Wait(); err != nil {
			t.Errorf("after SIGTERM: %v\n%s", err, log)
		}
	})
	return output, log
}

// safeBuilder takes what a child writes.
type safeBuilder struct {
	mu sync.Mutex
	b  strings.Builder
}

func (b *safeBuilder) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *safeBuilder) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// readGroups wants a whole list, and none of the temporary files beside it but one that is being written.
func readGroups(t *testing.T, path string) []discovery.Group {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var groups []discovery.Group
	if err := json.Unmarshal(text, &groups); err != nil {
		t.Fatalf("half a list: %v\n%s", err, text)
	}
	if lists, _ := filepath.Glob(filepath.Join(filepath.Dir(path), "*.json")); len(lists) != 1 {
		t.Errorf("a Prometheus that reads the directory finds %v", lists)
	}
	return groups
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// testRegistry is the embedded registry, which can be made to answer with 500.
type testRegistry struct {
	*httptest.Server
	address string
	away    atomic.Bool
}

func startRegistry(t *testing.T) *testRegistry {
	t.Helper()
	inner, r := registry.New(registry.Options{}), &testRegistry{}
	handler := inner.Handler()
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if r.away.Load() {
			http.Error(w, "No cluster leader", http.StatusInternalServerError)
			return
		}
		handler.ServeHTTP(w, req)
	}))
	r.address = r.Listener.Addr().String()
	t.Cleanup(func() {
		inner.Close()
		r.CloseClientConnections()
		r.Close()
	})
	return r
}

func put(t *testing.T, url, body string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPut, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		t.Fatalf("PUT %s: %d", url, resp.StatusCode)
	}
}

// TestWatchFollowsTheRegistry holds that the file is there within a second of a change, and stays while Consul is away.
func TestWatchFollowsTheRegistry(t *testing.T) {
	consul := startRegistry(t)
	config := filepath.Join(t.TempDir(), "fedscrape.yml")
	text := fmt.Sprintf("federate_configs: [{job_name: webapp, consul_sd_configs: [{server: %q, services: [webapp]}]}]", consul.address)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	consul.away.Store(true)
	output, log := watchTargets(t, "--config.file="+config)
	await(t, "the reason why there is no file", func() bool { return strings.Contains(log.String(), "No cluster leader") })
	if exists(output) {
		t.Error("a list is written before the discovery has answered")
	}
	consul.away.Store(false)
	await(t, "the empty list that Consul answers", func() bool { return exists(output) && len(readGroups(t, output)) == 0 })
	best := time.Minute // a busy machine delays one or another of them
	for n := 1; n <= 3; n++ {
		put(t, consul.URL+"/v1/agent/service/register",
			fmt.Sprintf(`{"Name":"webapp","ID":"w%d","Address":"10.0.0.1","Port":%d,"Meta":{"instance":"web1:8000"}}`, n, 9000+n))
		changed := time.Now()
		await(t, "the new worker", func() bool { return len(readGroups(t, output)) == n })
		best = min(best, time.Since(changed))
	}
	if best > time.Second {
		t.Errorf("of three workers the quickest is in the file after %v", best)
	}
	want := discovery.Group{Targets: []string{"10.0.0.1:9003"}, Labels: map[string]string{
		"__metrics_path__": "/metrics", "__scheme__": "http", "job": "webapp", "instance": "web1:8000", "worker_id": "w3",
	}}
	if diff := cmp.Diff(want, readGroups(t, output)[2]); diff != "" {
		t.Error(diff)
	}
	consul.away.Store(true)
	consul.CloseClientConnections()
	await(t, "the log of the error", func() bool { return strings.Contains(log.String(), "the last known workers stay") })
	if n := len(readGroups(t, output)); n != 3 {
		t.Errorf("%d workers while Consul is away, want 3", n)
	}
}

// followFederator runs what --watch runs, with questions when the test wants them. ask returns when one more question
// was asked and dealt with.
func followFederator(t *testing.T, federator, output string) (log *safeBuilder, ask func()) {
	t.Helper()
	client, err := newFederatorClient(federator)
	if err != nil {
		t.Fatal(err)
	}
	log = &safeBuilder{}
	source := &federatorTargets{client: client, mode: modeInstances, job: "webapp", ticks: make(chan struct{})}
	follower := &targets{source: source, output: output, logger: slog.New(slog.NewTextHandler(log, nil))}
	ctx, cancel := context.WithCancel(t.Context())
	var group sync.WaitGroup
	group.Go(func() {
		if err := follower.follow(ctx); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(func() {
		cancel()
		group.Wait()
		client.close()
	})
	return log, func() {
		source.ticks <- struct{}{}
		source.ticks <- struct{}{} // taken when the first is done
	}
}

// TestWatchFollowsTheFederator goes through what a federator may answer.
func TestWatchFollowsTheFederator(t *testing.T) {
	type answer struct {
		status int
		body   string
	}
	var current atomic.Pointer[answer]
	federator := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, password, _ := r.BasicAuth()
		if r.URL.String() != "/fed/sd/instances?job=webapp" || user != "alice" || password != "secret" {
			t.Errorf("asked for %s as %q", r.URL, user)
		}
		a := current.Load()
		if a.status == 0 {
			panic(http.ErrAbortHandler)
		}
		w.WriteHeader(a.status)
		_, _ = w.Write([]byte(a.body))
	}))
	defer federator.Close()
	const list = `[{"targets":["a:1"],"labels":{"__param_job":"webapp"}}]`
	current.Store(&answer{http.StatusServiceUnavailable, "not yet"})
	output := filepath.Join(t.TempDir(), "targets.json")
	log, ask := followFederator(t, strings.Replace(federator.URL, "//", "//alice:secret@", 1)+"/fed/", output)
	if ask(); exists(output) {
		t.Error("a list is written before the federator knows one")
	}
	current.Store(&answer{http.StatusOK, list})
	ask()
	first, err := os.Stat(output)
	if err != nil {
		t.Fatal(err)
	}
	for _, bad := range []answer{
		{http.StatusServiceUnavailable, "not yet"},
		{http.StatusInternalServerError, "no"},
		{http.StatusNotFound, "no"},
		{http.StatusFound, ""},
		{http.StatusOK, ""},
		{http.StatusOK, "null"},
		{http.StatusOK, "{}"},
		{http.StatusOK, "[{"},
		{0, ""},
		{http.StatusOK, list},
	} {
		current.Store(&bad)
		ask()
		if now, err := os.Stat(output); err != nil || !os.SameFile(first, now) || len(readGroups(t, output)) != 1 {
			t.Errorf("%d %q touches the file: %v", bad.status, bad.body, err)
		}
	}
	current.Store(&answer{http.StatusOK, "[]"})
	if ask(); len(readGroups(t, output)) != 0 {
		t.Error("an empty list of the federator is one")
	}
	if text := log.String(); strings.Contains(text, "secret") || strings.Count(text, "answers 404: no") != 1 {
		t.Errorf("trouble is to be logged once, and no password: %s", text)
	}
}

// What cannot be written is tried again, without any news.
func TestWatchTriesAgainToWrite(t *testing.T) {
	var questions atomic.Int64
	federator := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		questions.Add(1)
		_, _ = w.Write([]byte("[]"))
	}))
	defer federator.Close()
	dir := filepath.Join(t.TempDir(), "missing")
	output := filepath.Join(dir, "targets.json")
	log, _ := followFederator(t, federator.URL, output)
	await(t, "a second try", func() bool { return questions.Load() > 1 })
	if !strings.Contains(log.String(), "the file stays as it is") {
		t.Errorf("not logged: %s", log)
	}
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	await(t, "the file", func() bool { return exists(output) })
}
