package main

import (
	"os"
	"path/filepath"
	"testing"
)

func TestServesTLS(t *testing.T) {
	f := func(text string, want bool) {
		t.Helper()
		file := filepath.Join(t.TempDir(), "web.yml")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if got := servesTLS(file); got != want {
			t.Errorf("%q: %v", text, got)
		}
	}
	f("", false)
	f("basic_auth_users: {alice: x}", false)
	f("tls_server_config: {cert_file: a.crt, key_file: a.key}", true)
	f("tls_server_config: {cert: a, key: b}", true)
	if servesTLS("") || servesTLS("/nonexistent/web.yml") {
		t.Error("TLS without a file")
	}
}
