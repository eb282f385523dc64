// Package node_test runs the tests of the Node helper; what a whole cluster counts is tested in internal/e2e.
package node_test

import (
	"context"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"
	"time"

	"github.com/fedscrape/fedscrape/internal/realbin"
)

func TestHelper(t *testing.T) { run(t, "helper.test.js") }

// TestPages holds the helper's pages against those of prom-client.
func TestPages(t *testing.T) { run(t, "page.test.js") }

// run runs one file of tests: Node runs several at once, and these measure time.
func run(t *testing.T, file string) {
	t.Helper()
	here, err := filepath.Abs(".")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, realbin.Node(t, here, "prom-client"), "--test", filepath.Join("testdata", file))
	cmd.WaitDelay = 5 * time.Second
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	// A file without a test passes too.
	if !regexp.MustCompile(`(?m)^# pass [1-9][0-9]|^ℹ pass [1-9]`).Match(out) || regexp.MustCompile(`(?m)^(#|ℹ) skipped [1-9]`).Match(out) {
		t.Errorf("did its tests run?\n%s", out)
	}
}
