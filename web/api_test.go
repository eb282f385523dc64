package web

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fedscrape/fedscrape/federator"
)

func TestAPIInstances(t *testing.T) {
	at := time.Date(2026, 11, 21, 3, 0, 0, 0, time.UTC)
	fake := &fakeFederator{instances: []federator.InstanceStatus{{
		Job: "webapp", Instance: "web1:8000", Series: 2070, Departed: 3, LastRound: &at, LastRoundSeconds: 0.004,
		Workers: []federator.WorkerStatus{{
			WorkerID: "17", ServiceID: "webapp-h-17-1", Address: "10.0.0.5:40001", State: "up", Since: at, LastScrape: &at,
			ScrapeSeconds: 0.002, Bytes: 81230, Samples: 2070,
		}},
	}}}
	w := ask(t, Options{Federator: fake}, "GET", "/api/v1/instances")
	const want = `{"status":"success","data":[{"job":"webapp","instance":"web1:8000","series":2070,"departed":3,` +
		`"lastRound":"2026-11-21T03:00:00Z","lastRoundSeconds":0.004,"workers":[{"workerId":"17","serviceId":"webapp-h-17-1",` +
		`"address":"10.0.0.5:40001","state":"up","since":"2026-11-21T03:00:00Z","lastScrape":"2026-11-21T03:00:00Z",` +
		`"scrapeSeconds":0.002,"bytes":81230,"samples":2070,"error":""}]}]}` + "\n"
	if diff := cmp.Diff(want, w.Body.String()); w.Code != 200 || diff != "" {
		t.Errorf("%d %s", w.Code, diff)
	}
	if got := w.Header().Get("Content-Type"); got != "application/json; charset=utf-8" {
		t.Errorf("Content-Type is %q", got)
	}
}

func TestAPIInstancesNone(t *testing.T) {
	w := ask(t, Options{Federator: &fakeFederator{instances: []federator.InstanceStatus{}}}, "GET", "/api/v1/instances")
	if got, want := w.Body.String(), `{"status":"success","data":[]}`+"\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestAPIUnknownPath(t *testing.T) {
	for _, method := range []string{"GET", "PUT", "POST"} {
		w := ask(t, Options{}, method, "/api/v1/nope")
		var got map[string]string
		if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
			t.Fatal(err)
		}
		want := map[string]string{"status": "error", "errorType": "not_found", "error": `unknown path "/api/v1/nope"`}
		if diff := cmp.Diff(want, got); w.Code != 404 || diff != "" {
			t.Errorf("%s: %d %s", method, w.Code, diff)
		}
	}
}

// putFinal hands in the page "reqs_total 1\n" with the header Content-Type text/plain and the given ones.
func putFinal(t *testing.T, o Options, target string, header ...string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), "PUT", target, strings.NewReader("reqs_total 1\n"))
	r.Header.Set("Content-Type", "text/plain")
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	newServer(t, o).routes.ServeHTTP(w, r)
	return w
}

var finalHeaders = []string{"X-Fedscrape-Worker", "webapp-h-17-1", "X-Fedscrape-Start", "1795230000.25"}

func TestFinalTaken(t *testing.T) {
	var got federator.Final
	var body []byte
	fake := &fakeFederator{final: func(f federator.Final) (err error) {
		got = f
		body, err = io.ReadAll(f.Body)
		return err
	}}
	headers := append(slices.Clip(finalHeaders), "Content-Encoding", "identity")
	w := putFinal(t, Options{Federator: fake}, "/api/v1/final?job=webapp&instance=web1:8000", headers...)
	if w.Code != http.StatusNoContent || w.Body.Len() > 0 {
		t.Errorf("got %d %q", w.Code, w.Body)
	}
	got.Body = nil
	want := federator.Final{Job: "webapp", Instance: "web1:8000", ServiceID: "webapp-h-17-1", StartTime: 1795230000.25, ContentType: "text/plain"}
	if diff := cmp.Diff(want, got); diff != "" || string(body) != "reqs_total 1\n" {
		t.Errorf("%q %s", body, diff)
	}
}

func TestFinalIncomplete(t *testing.T) {
	const path = "/api/v1/final?job=j&instance=i"
	const worker, start = "X-Fedscrape-Worker", "X-Fedscrape-Start"
	f := func(text, target string, header ...string) {
		t.Helper()
		wantText(t, putFinal(t, Options{}, target, header...), http.StatusBadRequest, text+"\n")
	}
	f("job is missing: want /api/v1/final?job=JOB&instance=INSTANCE", "/api/v1/final?instance=i", finalHeaders...)
	f("instance is missing: want /api/v1/final?job=JOB&instance=INSTANCE", "/api/v1/final?job=j", finalHeaders...)
	f("the header X-Fedscrape-Worker is missing: the worker's service ID", path, start, "1")
	f(`Content-Encoding "gzip" cannot be read here: hand in the page as it is`, path, append(slices.Clip(finalHeaders), "Content-Encoding", "gzip")...)
	for _, s := range []string{"", "soon", "0", "-1", "NaN", "+Inf"} {
		f("the header X-Fedscrape-Start is missing or wrong: want when the process started, in Unix seconds", path, worker, "w", start, s)
	}
}

func TestFinalRefused(t *testing.T) {
	for _, c := range []struct {
		err    error
		status int
	}{
		{&federator.FinalError{Kind: federator.FinalBad, Err: errors.New("line 2: want a value")}, 400},
		{&federator.FinalError{Kind: federator.FinalUnknown, Err: errors.New(`unknown job "j"`)}, 404},
		{&federator.FinalError{Kind: federator.FinalTooLarge, Err: errors.New("over body_size_limit")}, 413},
		{&federator.FinalError{Kind: federator.FinalNotReady, Err: errors.New("ledger is not open yet")}, 503},
		{errors.New("disk is on fire"), 500},
	} {
		fake := &fakeFederator{final: func(federator.Final) error { return c.err }}
		w := putFinal(t, Options{Federator: fake}, "/api/v1/final?job=j&instance=i", finalHeaders...)
		wantText(t, w, c.status, c.err.Error()+"\n")
	}
}

// Without users everyone is let in, so that a header which says "I am alice" proves nothing.
func TestFinalAuthenticated(t *testing.T) {
	f := func(config, credentials string, want bool) {
		t.Helper()
		file := ""
		if config != "" {
			file = filepath.Join(t.TempDir(), "web.yml")
			if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		var got bool
		fake := &fakeFederator{final: func(final federator.Final) error {
			got = final.Authenticated
			return nil
		}}
		headers := finalHeaders
		if credentials != "" {
			headers = append(slices.Clip(headers), "Authorization", credentials)
		}
		putFinal(t, Options{Federator: fake, ConfigFile: file}, "/api/v1/final?job=j&instance=i", headers...)
		if got != want {
			t.Errorf("%q with %q: authenticated is %v", config, credentials, got)
		}
	}
	const alice = "Basic YWxpY2U6Y29ycmVjdCBob3JzZQ=="
	users := "basic_auth_users:\n  alice: " + aliceHash + "\n"
	f("", "", false)
	f("", alice, false)
	f("http_server_config:\n  http2: false\n", alice, false)
	f("basic_auth_users: {}\n", alice, false)
	f(users, "", false) // exporter-toolkit has answered it with 401 before
	f(users, alice, true)
}

// A worker that never ends its page must not hold a connection and a goroutine for ever.
func TestFinalThatNeverEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		fake := &fakeFederator{final: func(f federator.Final) error {
			if _, err := io.ReadAll(f.Body); err != nil {
				return &federator.FinalError{Kind: federator.FinalBad, Err: err}
			}
			return nil
		}}
		client := pipe(t, Options{Federator: fake})
		_, err := io.WriteString(client, "PUT /api/v1/final?job=j&instance=i HTTP/1.1\r\nHost: h\r\nX-Fedscrape-Worker: w\r\n"+
			"X-Fedscrape-Start: 1\r\nContent-Length: 1000\r\n\r\nreqs_total 1\n")
		if err != nil {
			t.Fatal(err)
		}
		answer := make([]byte, len("HTTP/1.1 400"))
		if _, err := io.ReadFull(client, answer); err != nil || string(answer) != "HTTP/1.1 400" {
			t.Errorf("got %q, %v", answer, err)
		}
		if took := time.Since(began); took != readTimeout {
			t.Errorf("answered after %v, want %v", took, readTimeout)
		}
	})
}
