package web

import (
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fedscrape/fedscrape/federator"
)

func TestAPIForget(t *testing.T) {
	logger, log := capture()
	var asked []string
	fake := &fakeFederator{forget: func(job, instance string) error {
		asked = append(asked, job+" "+instance)
		return nil
	}}
	w := ask(t, Options{Federator: fake, Logger: logger}, "DELETE", "/api/v1/instances?job=webapp&instance=web1:8000")
	if w.Code != 200 || w.Body.String() != `{"status":"success"}`+"\n" || strings.Join(asked, ",") != "webapp web1:8000" {
		t.Errorf("got %d %q, asked %q", w.Code, w.Body, asked)
	}
	for _, want := range []string{"forgotten on request", "job=webapp", "instance=web1:8000", "remote=192.0.2.1:1234"} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("the log does not say %s: %s", want, log)
		}
	}
}

func TestAPIForgetErrors(t *testing.T) {
	const want = " missing: want DELETE /api/v1/instances?job=JOB&instance=INSTANCE"
	wantAPIError(t, Options{}, "DELETE", "/api/v1/instances", 400, "bad_data", "job and instance are"+want)
	wantAPIError(t, Options{}, "DELETE", "/api/v1/instances?job=j", 400, "bad_data", "instance is"+want)
	fake := &fakeFederator{forget: func(job, instance string) error { return &federator.UnknownInstanceError{Job: job, Instance: instance} }}
	wantAPIError(t, Options{Federator: fake}, "DELETE", "/api/v1/instances?job=j&instance=i", 404, "not_found",
		`unknown instance "i" of job "j"; none is known; see /api/v1/instances`)
	fake.forget = func(string, string) error { return errors.New("disk is on fire") }
	wantAPIError(t, Options{Federator: fake}, "DELETE", "/api/v1/instances?job=j&instance=i", 500, "internal", "disk is on fire")
}

// Another site's page, open in the browser of somebody who may, changes nothing here.
func TestOtherSites(t *testing.T) {
	calls := 0
	fake := &fakeFederator{instances: []federator.InstanceStatus{}, forget: func(string, string) error { calls++; return nil }}
	o := Options{Federator: fake, EnableLifecycle: true, Reload: func() error { calls++; return nil }}
	f := func(method, path string, status int, header ...string) {
		t.Helper()
		if w := ask(t, o, method, path, header...); w.Code != status || w.Header().Get("Access-Control-Allow-Origin") != "" {
			t.Errorf("%s %s %v: got %d %v", method, path, header, w.Code, w.Header())
		}
	}
	for _, foreign := range [][]string{{"Sec-Fetch-Site", "cross-site"}, {"Sec-Fetch-Site", "same-site"}, {"Origin", "https://evil.example"}} {
		f("DELETE", "/api/v1/instances?job=j&instance=i", 403, foreign...)
		f("POST", "/-/reload", 403, foreign...)
		f("GET", "/api/v1/instances", 200, foreign...)
	}
	f("OPTIONS", "/api/v1/instances", 405, "Origin", "https://evil.example", "Access-Control-Request-Method", "DELETE")
	if calls > 0 {
		t.Errorf("another site has made %d changes", calls)
	}
	f("DELETE", "/api/v1/instances?job=j&instance=i", 200, "Sec-Fetch-Site", "same-origin")
	f("POST", "/-/reload", 200, "Origin", "http://example.com") // as the request's Host
	if calls != 2 {
		t.Errorf("%d changes of its own", calls)
	}
}

// Who may not reload may not forget either: both are behind the users of the web configuration.
func TestForgetNeedsUser(t *testing.T) {
	file := filepath.Join(t.TempDir(), "web.yml")
	if err := os.WriteFile(file, []byte("basic_auth_users:\n  alice: "+aliceHash+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	calls := 0
	s := start(t, Options{ConfigFile: file, Federator: &fakeFederator{forget: func(string, string) error { calls++; return nil }}})
	f := func(password string, status, want int) {
		t.Helper()
		got, body := get(t, &http.Client{}, s.url(0, "http", "/api/v1/instances?job=j&instance=i"), func(r *http.Request) {
			r.Method = http.MethodDelete
			if password != "" {
				r.SetBasicAuth("alice", password)
			}
		})
		if got != status || calls != want {
			t.Errorf("password %q: got %d %q, %d calls", password, got, body, calls)
		}
	}
	f("", 401, 0)
	f("wrong", 401, 0)
	f("correct horse", 200, 1)
}
