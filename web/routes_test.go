package web

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/fedscrape/fedscrape/federator"
)

func TestWrongMethod(t *testing.T) {
	f := func(method, path, allow string) {
		t.Helper()
		w := ask(t, Options{}, method, path)
		wantText(t, w, http.StatusMethodNotAllowed, method+" is not allowed here, "+strings.ReplaceAll(allow, ", ", " or ")+" is\n")
		if got := w.Header().Get("Allow"); got != allow {
			t.Errorf("%s %s: Allow is %q, want %q", method, path, got, allow)
		}
	}
	for _, path := range []string{"/merged", "/sd/instances", "/sd/workers", "/api/v1/explain", "/metrics", "/-/healthy", "/-/ready", "/"} {
		f("POST", path, "GET, HEAD")
		f("DELETE", path, "GET, HEAD")
	}
	f("POST", "/api/v1/instances", "GET, HEAD, DELETE")
	f("GET", "/api/v1/final", "PUT")
	f("POST", "/api/v1/final", "PUT")
	f("GET", "/-/reload", "POST, PUT")
}

func TestHead(t *testing.T) {
	s := start(t, Options{Federator: &fakeFederator{gather: onePage}})
	for _, path := range []string{"/merged?job=j&instance=i", "/sd/instances", "/sd/workers", "/api/v1/instances", "/metrics", "/-/healthy", "/-/ready", "/"} {
		status, body := get(t, &http.Client{}, s.url(0, "http", path), func(r *http.Request) { r.Method = http.MethodHead })
		if status != 200 || body != "" {
			t.Errorf("%s: got %d %q", path, status, body)
		}
	}
}

func TestUnknownPath(t *testing.T) {
	for _, path := range []string{"/nope", "/merged/", "/index.html", "/-/quit"} {
		if w := ask(t, Options{}, "GET", path); w.Code != 404 {
			t.Errorf("%s: got %d", path, w.Code)
		}
	}
}

func TestHealthy(t *testing.T) {
	wantText(t, ask(t, Options{}, "GET", "/-/healthy"), 200, "fedscrape is healthy.\n")
	// Healthy is alive, whether or not it is ready.
	fake := &fakeFederator{notReady: errors.New("no")}
	wantText(t, ask(t, Options{Federator: fake}, "GET", "/-/healthy"), 200, "fedscrape is healthy.\n")
}

func TestReady(t *testing.T) {
	wantText(t, ask(t, Options{}, "GET", "/-/ready"), 200, "fedscrape is ready.\n")
	fake := &fakeFederator{notReady: &federator.NotReadyError{Reason: "the configuration is not read yet"}}
	wantText(t, ask(t, Options{Federator: fake}, "GET", "/-/ready"), 503, "fedscrape is not ready: the configuration is not read yet\n")
}

func TestReload(t *testing.T) {
	calls := 0
	reload := func() error {
		calls++
		return nil
	}
	wantText(t, ask(t, Options{Reload: reload}, "POST", "/-/reload"), 403, "Lifecycle API is not enabled.\n")
	if calls > 0 {
		t.Error("reloaded although the lifecycle API is off")
	}
	for _, method := range []string{"POST", "PUT"} {
		if w := ask(t, Options{EnableLifecycle: true, Reload: reload}, method, "/-/reload"); w.Code != 200 || w.Body.Len() > 0 {
			t.Errorf("%s: got %d %q", method, w.Code, w.Body)
		}
	}
	if calls != 2 {
		t.Errorf("reloaded %d times", calls)
	}
	broken := func() error { return errors.New("fedscrape.yml:3: unknown key") }
	wantText(t, ask(t, Options{EnableLifecycle: true, Reload: broken}, "POST", "/-/reload"), 500, "fedscrape.yml:3: unknown key\n")
}

func TestOwnMetrics(t *testing.T) {
	registry := prometheus.NewRegistry()
	registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "fedscrape_x", Help: "X."}, func() float64 { return 7 }))
	w := ask(t, Options{Gatherer: registry}, "GET", "/metrics")
	if w.Code != 200 || !strings.Contains(w.Body.String(), "\nfedscrape_x 7\n") {
		t.Errorf("got %d %q", w.Code, w.Body)
	}
	w = ask(t, Options{Gatherer: registry}, "GET", "/metrics", "Accept", "application/openmetrics-text;version=1.0.0")
	if !strings.HasSuffix(w.Body.String(), "# EOF\n") {
		t.Errorf("no OpenMetrics: %q", w.Body)
	}
}

func TestPrefix(t *testing.T) {
	f := func(path, request string, status int, location string) {
		t.Helper()
		o := Options{ExternalURL: &url.URL{Scheme: "https", Host: "h", Path: path}}
		w := ask(t, o, "GET", request)
		if got := w.Header().Get("Location"); w.Code != status || got != location {
			t.Errorf("external path %q: %s gives %d %q, want %d %q", path, request, w.Code, got, status, location)
		}
	}
	for _, path := range []string{"/a/b", "/a/b/", "a/b", "//a//b//", "/a/x/../b"} {
		f(path, "/a/b/-/healthy", 200, "")
		f(path, "/a/b/", 200, "")
		f(path, "/a/b", 302, "/a/b/")
		f(path, "/", 302, "/a/b/")
		f(path, "/-/healthy", 404, "")
		f(path, "/a/bc", 404, "")
		f(path, "/a/b/api/nope", 404, "")
	}
	f("", "/-/healthy", 200, "")
	f("/", "/-/healthy", 200, "")
	f("/{x}/ü y", "/%7Bx%7D/%C3%BC%20y/-/healthy", 200, "")
	f("/{x}/ü y", "/", 302, "/%7Bx%7D/%C3%BC%20y/")
}
