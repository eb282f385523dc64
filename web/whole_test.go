package web

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/fedscrape/fedscrape/exposition"
	"github.com/fedscrape/fedscrape/federator"
)

// TestWholeBodies: a page goes out with its length, also a compressed one; one that is too long goes out as it comes, and
// leaves nothing to the next.
func TestWholeBodies(t *testing.T) {
	long := false
	s := start(t, Options{Federator: &fakeFederator{gather: func(ctx context.Context, job, instance string) (*federator.Page, error) {
		page, err := onePage(ctx, job, instance)
		if long {
			family := page.Families[0].Family()
			family.Help = strings.Repeat("x", maxWhole)
			page.Families = []exposition.Filled{exposition.Fill(&family), page.Families[0]}
		}
		return page, err
	}}})
	ask := func(coding string) *http.Response {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.url(0, "http", "/merged?job=a&instance=b"), nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Accept-Encoding", coding)
		resp, err := http.DefaultTransport.RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		return resp
	}
	defer http.DefaultClient.CloseIdleConnections()
	const body = "# HELP reqs_total Requests.\n# TYPE reqs_total counter\nreqs_total{view=\"fire\"} 30\n"
	for i, coding := range []string{"identity", "identity", "gzip", "zstd", "identity"} {
		long = i == 1
		resp := ask(coding)
		got, err := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		switch {
		case err != nil:
			t.Error(err)
		case (resp.ContentLength >= 0) == long:
			t.Errorf("request %d: the length is told as %d", i, resp.ContentLength)
		case resp.ContentLength >= 0 && int(resp.ContentLength) != len(got):
			t.Errorf("request %d: %d bytes, told were %d", i, len(got), resp.ContentLength)
		case coding == "identity" && !strings.HasSuffix(string(got), body), coding == "identity" && !long && len(got) != len(body):
			t.Errorf("request %d: %d bytes: %.200q", i, len(got), got)
		case long && len(got) != maxWhole+len(body)*2-len("Requests."):
			t.Errorf("%d bytes", len(got))
		}
	}
}

// TestPanicCutsThePage: half a page must not look whole.
func TestPanicCutsThePage(t *testing.T) {
	s := start(t, Options{Federator: &fakeFederator{gather: func(ctx context.Context, job, instance string) (*federator.Page, error) {
		page, err := onePage(ctx, job, instance)
		family := page.Families[0].Family()
		family.Help = strings.Repeat("x", 1<<20)
		page.Families = []exposition.Filled{exposition.Fill(&family), page.Families[0], {}} // the last is of no form
		return page, err
	}}})
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.url(0, "http", "/merged?job=a&instance=b"), nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Accept-Encoding", "identity")
	defer http.DefaultClient.CloseIdleConnections()
	resp, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		return
	}
	defer func() { _ = resp.Body.Close() }()
	if body, err := io.ReadAll(resp.Body); err == nil {
		t.Errorf("half a page looks whole: %d, %d bytes", resp.StatusCode, len(body))
	}
}
