package realbin

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// Node is the path of Node when the packages are installed in the folder that has their lock file, as `npm ci` does.
func Node(t testing.TB, folder string, packages ...string) string {
	t.Helper()
	path, err := exec.LookPath("node")
	if err != nil {
		Skip(t, "node is not on PATH: install Node 18 or later")
	}
	for _, name := range packages {
		if _, err := os.Stat(filepath.Join(folder, "node_modules", name, "package.json")); err != nil {
			Skip(t, "the npm package "+name+" is missing: run `npm ci` in "+folder)
		}
	}
	return path
}
