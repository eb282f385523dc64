package python_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/fedscrape/fedscrape/internal/realbin"
)

// pages runs testdata/page_test.py, which holds the helper's pages against those of the library in dir.
func pages(t *testing.T, dir string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, realbin.Python(t, "prometheus_client"), filepath.Join("testdata", "page_test.py"))
	cmd.Env = append(environment(t, newPeer(t, nil)), "PYTHONPATH="+dir+string(os.PathListSeparator)+".")
	output, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(output), "\nOK\n") || !strings.HasPrefix(string(output), "prometheus_client "+dir) {
		t.Fatalf("%v:\n%s", err, output)
	}
	for line := range strings.Lines(string(output)) {
		if strings.Contains(line, " us a sample") || strings.HasPrefix(line, "Ran ") {
			t.Log(strings.TrimSpace(line))
		}
	}
}

func TestPagesAreTheLibrarys(t *testing.T) {
	pages(t, "")
}

func TestPagesAreThoseOfAnotherVersion(t *testing.T) {
	dir := os.Getenv("FEDSCRAPE_CLIENT_PYTHON")
	if dir == "" {
		const missing = "prometheus_client of another version than Debian's: set FEDSCRAPE_CLIENT_PYTHON to the folder that has it"
		if os.Getenv("FEDSCRAPE_FORBID_SKIP") != "" { // CI has Debian's alone
			t.Log("NOT TESTED: " + missing)
			return
		}
		t.Skip("\n!!!! NOT TESTED: " + missing + " !!!!")
	}
	pages(t, dir)
}
