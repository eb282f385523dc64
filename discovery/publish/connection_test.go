package publish

import (
	"encoding/pem"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/fedscrape/fedscrape/discovery/registry"
)

// TestOneRefused: an agent that refuses one service, for a reason of that service, gets the others.
func TestOneRefused(t *testing.T) {
	embedded := registry.New(registry.Options{})
	defer embedded.Close()
	inner := embedded.Handler()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if strings.Contains(string(body), `"a refused one"`) {
			http.Error(w, "Invalid Service Meta", http.StatusBadRequest)
			return
		}
		r.Body = io.NopCloser(strings.NewReader(string(body)))
		inner.ServeHTTP(w, r)
	}))
	defer server.Close()
	addr := strings.TrimPrefix(server.URL, "http://")
	c := newConsul(t, addr, "")
	r := start(t, &world{}, testEndpoint, "server: "+addr)
	r.set(true, "a/1", "a/2", "a/3", "a/4", "a/a refused one", "a/5", "a/6", "a/7", "a/8")
	c.awaitInstances(t, "fedscrape", "a/1", "a/2", "a/3", "a/4", "a/5", "a/6", "a/7", "a/8")
	await(t, "errors", func() bool { return r.metric(t, "fedscrape_publish_errors_total") >= 3 })
	want := "register at consul at " + addr + ": HTTP status 400: Invalid Service Meta"
	if n := strings.Count(r.log.String(), want); n != 1 {
		t.Errorf("said %d times:\n%s", n, r.log)
	}
	if n := r.metric(t, "fedscrape_published_instances"); n != 8 {
		t.Errorf("%v published", n)
	}
	r.stop() // or its connections would hold the server
}

// TestTLS has a certificate that comes later than the federator.
func TestTLS(t *testing.T) {
	embedded := registry.New(registry.Options{})
	defer embedded.Close()
	plain := httptest.NewServer(embedded.Handler())
	defer plain.Close()
	server := httptest.NewUnstartedServer(embedded.Handler())
	server.StartTLS()
	defer server.Close()
	ca := filepath.Join(t.TempDir(), "ca.pem")
	r := start(t, &world{}, testEndpoint, "scheme: https\nserver: "+strings.TrimPrefix(server.URL, "https://")+"\ntls_config: {ca_file: "+ca+"}")
	r.set(true, "webapp/web1")
	await(t, "an error", func() bool { return r.metric(t, "fedscrape_publish_errors_total") >= 2 })
	if !strings.Contains(r.log.String(), "set up the client of consul at") || !strings.Contains(r.log.String(), ca) {
		t.Errorf("%s", r.log)
	}
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	if err := os.WriteFile(ca, text, 0o600); err != nil {
		t.Fatal(err)
	}
	newConsul(t, strings.TrimPrefix(plain.URL, "http://"), "").awaitInstances(t, "fedscrape", "webapp/web1")
	r.stop()
}

func TestNext(t *testing.T) {
	c := &connection{parts: &Parts{pace: defaultPace()}}
	bad := errors.New("away")
	for range 3 {
		for i, most := range []time.Duration{500, 1000, 2000, 4000, 5000, 5000, 5000} {
			most *= time.Millisecond
			if got := c.next(bad); got < most/2 || got > most {
				t.Errorf("wait %d is %v, not between %v and %v", i, got, most/2, most)
			}
		}
		if got := c.next(nil); got != 500*time.Millisecond {
			t.Errorf("after a good pass: %v", got)
		}
	}
}

func TestWorst(t *testing.T) {
	one, other := errors.New("a"), errors.New("b")
	general := &agentError{errors.New("c"), true}
	for _, c := range []struct{ a, b, want error }{
		{nil, nil, nil}, {one, nil, one}, {nil, one, one}, {one, other, one}, {other, one, one}, {one, general, general}, {general, one, general},
	} {
		if got := worst(c.a, c.b); errText(got) != errText(c.want) {
			t.Errorf("%v and %v: %v", c.a, c.b, got)
		}
	}
}
