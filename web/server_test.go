package web

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/fedscrape/fedscrape/federator"
)

// aliceHash is bcrypt of "correct horse".
const aliceHash = "$2a$04$OOCZPSepc56OHrPozqTvEeWqXbm1Di14qoip.DT822Vp.JEl.9Csu"

// withTLS writes a web configuration with a certificate, and gives a client that trusts it.
func withTLS(t *testing.T, more string) (configFile string, client *http.Client) {
	t.Helper()
	borrowed := httptest.NewTLSServer(nil) // for its certificate
	t.Cleanup(borrowed.Close)
	certificate := borrowed.TLS.Certificates[0]
	key, err := x509.MarshalPKCS8PrivateKey(certificate.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	write := func(name string, content []byte) string {
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, content, 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	write("cert.pem", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate.Certificate[0]}))
	write("key.pem", pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key}))
	return write("web.yml", []byte("tls_server_config:\n  cert_file: cert.pem\n  key_file: key.pem\n"+more)), borrowed.Client()
}

func TestTLSAndBasicAuth(t *testing.T) {
	file, client := withTLS(t, "basic_auth_users:\n  alice: "+aliceHash+"\n")
	s := start(t, Options{ConfigFile: file, Federator: &fakeFederator{gather: onePage}})
	page := s.url(0, "https", "/merged?job=j&instance=i")
	for _, c := range []struct {
		name, user, password string
		status               int
	}{
		{"nobody", "", "", 401},
		{"wrong password", "alice", "battery staple", 401},
		{"unknown user", "bob", "correct horse", 401},
		{"alice", "alice", "correct horse", 200},
	} {
		status, body := get(t, client, page, func(r *http.Request) {
			if c.user != "" {
				r.SetBasicAuth(c.user, c.password)
			}
		})
		if status != c.status || (status == 200) != strings.Contains(body, "reqs_total") {
			t.Errorf("%s: got %d %q", c.name, status, body)
		}
	}
	// Every endpoint is behind it.
	for _, path := range []string{"/", "/metrics", "/sd/workers", "/api/v1/instances", "/-/ready", "/nope"} {
		if status, _ := get(t, client, s.url(0, "https", path), nil); status != 401 {
			t.Errorf("%s: got %d", path, status)
		}
	}
	if status, _ := get(t, &http.Client{}, s.url(0, "http", "/-/healthy"), nil); status != 400 {
		t.Errorf("plain HTTP on the TLS port: got %d", status)
	}
}

// The scheme of target lists is that of the request, so that Prometheus scrapes as it asked.
func TestTLSIsSeenByTargetLists(t *testing.T) {
	file, client := withTLS(t, "")
	fake := &fakeFederator{workers: nil}
	w := someWorker()
	fake.workers = append(fake.workers, w)
	s := start(t, Options{ConfigFile: file, Federator: fake})
	status, body := get(t, client, s.url(0, "https", "/sd/instances"), nil)
	if status != 200 || !strings.Contains(body, `"__scheme__":"https"`) || !strings.Contains(body, s.Addrs()[0].String()) {
		t.Errorf("got %d %s", status, body)
	}
}

func TestSeveralAddressesWithAWebConfiguration(t *testing.T) {
	file, client := withTLS(t, "basic_auth_users:\n  alice: "+aliceHash+"\n")
	s := start(t, Options{ConfigFile: file, ListenAddresses: []string{"127.0.0.1:0", "127.0.0.1:0", "127.0.0.1:0"}})
	for i := range s.Addrs() {
		status, body := get(t, client, s.url(i, "https", "/-/healthy"), func(r *http.Request) { r.SetBasicAuth("alice", "correct horse") })
		if status != 200 {
			t.Errorf("port %d: got %d %q", i, status, body)
		}
		if status, _ := get(t, client, s.url(i, "https", "/-/healthy"), nil); status != 401 {
			t.Errorf("port %d is open to everybody: got %d", i, status)
		}
	}
}

func TestBadWebConfiguration(t *testing.T) {
	f := func(content, want string) {
		t.Helper()
		file := filepath.Join(t.TempDir(), "web.yml")
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := New(Options{ConfigFile: file})
		if err == nil || !strings.Contains(err.Error(), "read the web configuration: "+file) || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v", content, err)
		}
	}
	f("nope: 1\n", "nope")
	f("basic_auth_users:\n  alice: plain\n", "bcrypt")
	f("tls_server_config:\n  cert_file: gone.pem\n  key_file: gone.pem\n", "gone.pem")
	if _, err := New(Options{ConfigFile: filepath.Join(t.TempDir(), "gone.yml")}); err == nil {
		t.Error("a web configuration that is not there is taken")
	}
}

func TestListenTellsAPortThatIsTaken(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = taken.Close() }()
	s := newServer(t, Options{ListenAddresses: []string{"127.0.0.1:0", taken.Addr().String()}})
	err = s.Listen()
	if err == nil || !strings.HasPrefix(err.Error(), "open a web port: ") || !strings.Contains(err.Error(), taken.Addr().String()) ||
		!strings.Contains(err.Error(), "--web.listen-address") {
		t.Errorf("got %v", err)
	}
	if conn, err := net.Dial("tcp", s.Addrs()[0].String()); err == nil {
		_ = conn.Close()
		t.Error("the first port stays open although the second one could not be opened")
	}
}

// held is a federator whose round lasts until release is closed or the request ends.
func held(began chan<- struct{}, release <-chan struct{}) *fakeFederator {
	return &fakeFederator{gather: func(ctx context.Context, j, i string) (*federator.Page, error) {
		began <- struct{}{}
		select {
		case <-release:
			return onePage(ctx, j, i)
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}}
}

// answer is what became of a request in the background.
type answer struct {
	status int
	err    error
}

func getInBackground(t *testing.T, url string) <-chan answer {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	answers := make(chan answer, 1)
	go func() {
		resp, err := client.Do(r)
		if err != nil {
			answers <- answer{err: err}
			return
		}
		_ = resp.Body.Close()
		answers <- answer{status: resp.StatusCode}
	}()
	return answers
}

// waitRefused returns when nobody accepts at the address any more: the shutdown has begun.
func waitRefused(t *testing.T, address string) {
	t.Helper()
	deadline := time.Now().Add(time.Minute)
	for time.Now().Before(deadline) {
		conn, err := net.DialTimeout("tcp", address, time.Second)
		if err != nil {
			return
		}
		_ = conn.Close()
	}
	t.Fatal("the port stays open")
}

func TestShutdownLetsARequestEnd(t *testing.T) {
	began, release := make(chan struct{}, 1), make(chan struct{})
	s := start(t, Options{Federator: held(began, release)})
	answers := getInBackground(t, s.url(0, "http", "/merged?job=j&instance=i"))
	<-began
	s.cancel()
	waitRefused(t, s.Addrs()[0].String())
	close(release)
	if got := <-answers; got.status != 200 {
		t.Errorf("the request under way got %+v", got)
	}
}

func TestShutdownIsBounded(t *testing.T) {
	began := make(chan struct{}, 1)
	s := start(t, Options{Federator: held(began, nil)})
	answers := getInBackground(t, s.url(0, "http", "/merged?job=j&instance=i"))
	<-began
	begun := time.Now()
	s.cancel()
	err := <-s.ended
	s.ended <- err // for the cleanup
	if took := time.Since(begun); err != nil || took < 2*time.Second || took > 20*time.Second {
		t.Errorf("ended after %v with %v", took, err)
	}
	if got := <-answers; got.err == nil {
		t.Errorf("the request that hangs got %+v", got)
	}
}

// One port that breaks ends the others, so that the program does not run on half deaf.
func TestServeEndsWhenAPortBreaks(t *testing.T) {
	s := newServer(t, Options{ListenAddresses: []string{"127.0.0.1:0", "127.0.0.1:0"}})
	if err := s.Listen(); err != nil {
		t.Fatal(err)
	}
	_ = s.listeners[0].Close()
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(t.Context()) }()
	select {
	case err := <-ended:
		if err == nil || !strings.HasPrefix(err.Error(), "serve the web endpoints: ") {
			t.Errorf("got %v", err)
		}
	case <-time.After(time.Minute):
		t.Fatal("it serves on")
	}
	waitRefused(t, s.Addrs()[1].String())
}

// A context that has ended before must not leave ports open.
func TestServeAfterTheEnd(t *testing.T) {
	s := newServer(t, Options{ListenAddresses: []string{"127.0.0.1:0"}})
	if err := s.Listen(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Serve(ctx); err != nil {
		t.Error(err)
	}
	waitRefused(t, s.Addrs()[0].String())
}

func TestHeadersAreBounded(t *testing.T) {
	s := start(t, Options{})
	status, _ := get(t, &http.Client{}, s.url(0, "http", "/-/healthy"), func(r *http.Request) {
		r.Header.Set("X-Long", strings.Repeat("x", 2*maxHeader))
	})
	if status != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("got %d", status)
	}
	if s.server().IdleTimeout <= 0 {
		t.Error("an idle connection is kept for ever")
	}
}
