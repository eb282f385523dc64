package web

import (
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/klauspost/compress/zstd"

	"github.com/fedscrape/fedscrape/federator"
)

const textPage = "# HELP reqs_total Requests.\n# TYPE reqs_total counter\nreqs_total{view=\"fire\"} 30\n"

func TestMergedPage(t *testing.T) {
	var job, instance string
	fake := &fakeFederator{gather: func(ctx context.Context, j, i string) (*federator.Page, error) {
		job, instance = j, i
		return onePage(ctx, j, i)
	}}
	w := ask(t, Options{Federator: fake}, "GET", "/merged?job=web%20app&instance=web1:8000")
	if w.Code != http.StatusOK || w.Body.String() != textPage {
		t.Errorf("got %d %q", w.Code, w.Body)
	}
	if job != "web app" || instance != "web1:8000" {
		t.Errorf("asked for job %q and instance %q", job, instance)
	}
}

func TestMergedFormatAndCoding(t *testing.T) {
	const openMetricsPage = "# TYPE reqs counter\n# HELP reqs Requests.\nreqs_total{view=\"fire\"} 30\n# EOF\n"
	const prometheus3 = "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,text/plain;version=0.0.4;q=0.3,*/*;q=0.2"
	for _, c := range []struct{ accept, acceptEncoding, contentType, coding string }{
		{"", "", "text/plain; version=0.0.4; charset=utf-8; escaping=underscores", ""},
		{"text/plain;version=1.0.0", "", "text/plain; version=1.0.0; charset=utf-8; escaping=underscores", ""},
		{prometheus3, "gzip", "application/openmetrics-text; version=1.0.0; charset=utf-8; escaping=allow-utf-8", "gzip"},
		{"*/*", "zstd, gzip", "text/plain; version=0.0.4; charset=utf-8; escaping=underscores", "zstd"},
		{"*/*", "gzip, zstd;q=0.5", "text/plain; version=0.0.4; charset=utf-8; escaping=underscores", "gzip"},
	} {
		w := ask(t, Options{Federator: &fakeFederator{gather: onePage}}, "GET", "/merged?job=j&instance=i", "Accept", c.accept, "Accept-Encoding", c.acceptEncoding)
		if got := w.Header().Get("Content-Type"); got != c.contentType {
			t.Errorf("%q: Content-Type is %q, want %q", c.accept, got, c.contentType)
		}
		if got := w.Header().Get("Content-Encoding"); got != c.coding {
			t.Errorf("%q: Content-Encoding is %q, want %q", c.acceptEncoding, got, c.coding)
		}
		if got := strings.Join(w.Header().Values("Vary"), ", "); got != "Accept, Accept-Encoding" {
			t.Errorf("Vary is %q", got)
		}
		want := textPage
		if strings.HasPrefix(c.contentType, "application/openmetrics-text") {
			want = openMetricsPage
		}
		if got := decoded(t, w); got != want {
			t.Errorf("%q, %q: got %q, want %q", c.accept, c.acceptEncoding, got, want)
		}
	}
}

// decoded undoes the coding that the answer names.
func decoded(t *testing.T, w *httptest.ResponseRecorder) string {
	t.Helper()
	var body io.Reader = w.Body
	switch w.Header().Get("Content-Encoding") {
	case "gzip":
		z, err := gzip.NewReader(body)
		if err != nil {
			t.Fatal(err)
		}
		body = z
	case "zstd":
		z, err := zstd.NewReader(body, zstd.WithDecoderConcurrency(1))
		if err != nil {
			t.Fatal(err)
		}
		defer z.Close()
		body = z
	}
	text, err := io.ReadAll(body)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestAcceptedCoding(t *testing.T) {
	f := func(accept, want string) {
		t.Helper()
		if got := acceptedCoding(accept); got != want {
			t.Errorf("%q gives %q, want %q", accept, got, want)
		}
	}
	f("", "")
	f("identity", "")
	f("br", "")
	f("gzip", "gzip")
	f("GZIP", "gzip")
	f("gzip;q=0", "")
	f("gzip;q=0.000", "")
	f("gzip; q=0.1", "gzip")
	f("gzip;q=x", "")
	f("gzip;;q", "")
	f("deflate, gzip;q=1.0, *;q=0.5", "gzip")
	f("gzip, zstd", "zstd")
	f("zstd, gzip", "zstd")
	f("zstd;q=0, gzip;q=0.1", "gzip")
	f("zstd;q=0.5, gzip;q=0.6", "gzip")
}

// A compressor that is used again must begin anew, also after a reader that went away.
func TestMergedCompressorsAreUsedAgain(t *testing.T) {
	s := newServer(t, Options{Federator: &fakeFederator{gather: onePage}})
	for range 20 {
		for _, coding := range []string{"gzip", "zstd"} {
			r := httptest.NewRequestWithContext(t.Context(), "GET", "/merged?job=j&instance=i", nil)
			r.Header.Set("Accept-Encoding", coding)
			s.routes.ServeHTTP(&brokenWriter{header: http.Header{}}, r)
			w := httptest.NewRecorder()
			s.routes.ServeHTTP(w, r)
			if got := decoded(t, w); got != textPage {
				t.Fatalf("%s: got %q", coding, got)
			}
		}
	}
}

// brokenWriter is a connection whose reader is gone.
type brokenWriter struct{ header http.Header }

func (w *brokenWriter) Header() http.Header       { return w.header }
func (w *brokenWriter) WriteHeader(int)           {}
func (w *brokenWriter) Write([]byte) (int, error) { return 0, errors.New("broken pipe") }

func TestMergedMissingParameters(t *testing.T) {
	f := func(target, missing string) {
		t.Helper()
		w := ask(t, Options{}, "GET", target)
		wantText(t, w, http.StatusBadRequest, missing+" missing: want /merged?job=JOB&instance=INSTANCE; known ones are at /api/v1/instances\n")
	}
	f("/merged", "job and instance are")
	f("/merged?job=webapp", "instance is")
	f("/merged?instance=web1", "job is")
	f("/merged?job=&instance=web1", "job is")
}

func TestMergedErrors(t *testing.T) {
	twenty := make([]string, 20)
	for i := range twenty {
		twenty[i] = fmt.Sprintf("web%02d:8000", i)
	}
	for _, c := range []struct {
		name   string
		err    error
		status int
		text   string
	}{
		{
			"unknown instance", &federator.UnknownInstanceError{Job: "webapp", Instance: "nope", Known: []string{"web1:8000", "web2:8000"}, Total: 2},
			404, `unknown instance "nope" of job "webapp"; known: web1:8000, web2:8000` + "\n",
		},
		{
			"unknown instance of many", &federator.UnknownInstanceError{Job: "webapp", Instance: "nope", Known: twenty, Total: 37},
			404, `unknown instance "nope" of job "webapp"; known: ` + strings.Join(twenty, ", ") + " and 17 more, see /api/v1/instances\n",
		},
		{
			"none known", &federator.UnknownInstanceError{Job: "a", Instance: "b\n"},
			404, `unknown instance "b\n" of job "a"; none is known; see /api/v1/instances` + "\n",
		},
		{
			"none up", &federator.NoWorkerUpError{Failures: []federator.Failure{{WorkerID: "0", Address: "10.0.0.5:40001", Reason: "connection refused"}, {WorkerID: "1", Address: "10.0.0.5:40002", Reason: "no answer within 10s"}}},
			503, "0 10.0.0.5:40001: connection refused\n1 10.0.0.5:40002: no answer within 10s\n",
		},
		{"none present", &federator.NoWorkerUpError{}, 503, "no worker is present\n"},
		{"not ready", &federator.NotReadyError{Reason: `the service discovery of job "webapp" has not answered yet`}, 503, `the service discovery of job "webapp" has not answered yet` + "\n"},
		{"wrapped", fmt.Errorf("gather: %w", &federator.NotReadyError{Reason: "closing"}), 503, "gather: closing\n"},
		{"any other", errors.New("fold is broken"), 500, "fold is broken\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			logger, logged := capture()
			fake := &fakeFederator{gather: func(context.Context, string, string) (*federator.Page, error) { return nil, c.err }}
			w := ask(t, Options{Federator: fake, Logger: logger}, "GET", "/merged?job=webapp&instance=nope", "Accept-Encoding", "gzip")
			wantText(t, w, c.status, c.text)
			if (c.status == 500) != strings.Contains(logged.String(), "level=ERROR") {
				t.Errorf("logged %q", logged)
			}
		})
	}
}

func TestMergedUnknownNamesThePathUnderThePrefix(t *testing.T) {
	fake := &fakeFederator{gather: func(context.Context, string, string) (*federator.Page, error) {
		return nil, &federator.UnknownInstanceError{Job: "j", Instance: "i", Known: []string{"k"}, Total: 2}
	}}
	w := ask(t, Options{Federator: fake, ExternalURL: &url.URL{Scheme: "https", Host: "h", Path: "/fed/"}}, "GET", "/fed/merged?job=j&instance=i")
	wantText(t, w, 404, `unknown instance "i" of job "j"; known: k and 1 more, see /fed/api/v1/instances`+"\n")
}

func TestScrapeDeadline(t *testing.T) {
	f := func(header string, want time.Duration) {
		t.Helper()
		synctest.Test(t, func(t *testing.T) {
			var got time.Duration
			fake := &fakeFederator{gather: func(ctx context.Context, j, i string) (*federator.Page, error) {
				if deadline, ok := ctx.Deadline(); ok {
					got = time.Until(deadline)
				}
				return onePage(ctx, j, i)
			}}
			ask(t, Options{Federator: fake}, "GET", "/merged?job=j&instance=i", "X-Prometheus-Scrape-Timeout-Seconds", header)
			if got != want {
				t.Errorf("%q: the deadline is in %v, want %v", header, got, want)
			}
		})
	}
	f("10", 9500*time.Millisecond)
	f("10.000000", 9500*time.Millisecond)
	f("5", 4500*time.Millisecond)
	f("4", 3600*time.Millisecond)
	f("0.1", 90*time.Millisecond)
	f("3600", time.Hour-500*time.Millisecond)
	// Nonsense is no deadline; the job's own timeout stands.
	f("", 0)
	f("0", 0)
	f("-1", 0)
	f("NaN", 0)
	f("Inf", 0)
	f("1e300", 0)
	f("ten", 0)
}
