package web

import (
	"context"
	"encoding/hex"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"unsafe"

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

// TestNothingIsShownBeforeItIsKept: while the ledger is given what a page shows, the page is encoded, but nothing goes out.
// Where the ledger does not take it, another page does.
func TestNothingIsShownBeforeItIsKept(t *testing.T) {
	s := newServer(t, Options{})
	for _, c := range []struct {
		size   int
		coding string
	}{{10, "identity"}, {10, "gzip"}, {10, "zstd"}, {maxWhole, "identity"}, {3 * maxWhole, "zstd"}} {
		rec := httptest.NewRecorder()
		asked := 0
		page, other := pageOfSize(c.size), pageOfSize(c.size+1)
		page.Kept = func() *federator.Page {
			if asked++; rec.Body.Len() > 0 {
				t.Errorf("%s, %d bytes: %d went out before the page was kept", c.coding, c.size, rec.Body.Len())
			}
			return other
		}
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/merged", nil)
		r.Header.Set("Accept-Encoding", c.coding)
		s.writePage(rec, r, page)
		length := rec.Header().Get("Content-Length")
		if c.size < maxWhole && length != strconv.Itoa(rec.Body.Len()) {
			t.Errorf("%s, %d bytes: told were %q", c.coding, rec.Body.Len(), length)
		}
		got := decoded(t, rec)
		if want := "# HELP a " + other.Families[0].Family().Help + "\n# TYPE a counter\na 1\n"; asked != 1 || got != want {
			t.Errorf("%s, %d bytes: asked %d times, shown are %d bytes", c.coding, c.size, asked, len(got))
		}
	}
}

// pageOfSize has a family with a HELP of so many bytes that cannot be compressed.
func pageOfSize(n int) *federator.Page {
	help := make([]byte, n/2)
	_, _ = rand.NewChaCha8([32]byte{}).Read(help)
	family := exposition.Family{
		Name: "a", Type: exposition.Counter, Help: hex.EncodeToString(help) + "xx"[:n%2], Series: []exposition.Series{{Value: 1}},
	}
	return &federator.Page{Families: []exposition.Filled{exposition.Fill(&family)}}
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

// TestWholeLendsRoom: a page that is encoded in the room of its body is the same as one that is copied there, whatever was in that
// room before.
func TestWholeLendsRoom(t *testing.T) {
	enc := exposition.Negotiate("text/plain")
	for _, lines := range []int{1, 1500, 9000, 70, 60_000, 2000, 9001} { // 60,000 have more than maxWhole
		family := exposition.Family{Name: "lines_total", Type: exposition.Counter}
		for i := range lines {
			family.Series = append(family.Series, exposition.Series{
				Labels: exposition.Labels{{Name: "k", Value: strings.Repeat("x", 50+i%50)}, {Name: "l", Value: strconv.Itoa(i)}}, Value: float64(lines + i),
			})
		}
		families := []exposition.Filled{exposition.Fill(&family)}
		var want strings.Builder
		if err := exposition.EncodeFilled(&want, enc, families); err != nil {
			t.Fatal(err)
		}
		got := httptest.NewRecorder()
		b := newWhole(got, func() bool { return true })
		if err := exposition.EncodeFilled(b, enc, families); err != nil {
			t.Fatal(err)
		}
		if whole := len(b.body); whole != want.Len() && want.Len() <= maxWhole {
			t.Errorf("%d lines: %d bytes are held back of %d", lines, whole, want.Len())
		}
		if b.end(); got.Body.String() != want.String() {
			t.Errorf("%d lines: %d bytes, or others than %d", lines, got.Body.Len(), want.Len())
		}
	}
}

// movedBody notes how often its body was copied to other memory.
type movedBody struct {
	*whole
	at    *byte
	moved int
}

func (b *movedBody) AvailableBuffer() []byte {
	room := b.whole.AvailableBuffer()
	if at := unsafe.SliceData(b.body); at != b.at {
		b.at, b.moved = at, b.moved+1
	}
	return room
}

// TestWholeGrowsOnce: the room of a page is made at once, but for what goes out as it comes anyway.
func TestWholeGrowsOnce(t *testing.T) {
	for _, lines := range []int{100, 9000, 40_000, 100_000} {
		family := exposition.Family{Name: "lines_total", Type: exposition.Counter}
		for i := range lines {
			family.Series = append(family.Series, exposition.Series{
				Labels: exposition.Labels{{Name: "k", Value: strings.Repeat("x", 80)}, {Name: "l", Value: strconv.Itoa(i)}}, Value: float64(1e6 + i),
			})
		}
		b := &movedBody{whole: &whole{w: httptest.NewRecorder(), ready: func() bool { return true }}}
		if err := exposition.EncodeFilled(b, exposition.Negotiate("text/plain"), []exposition.Filled{exposition.Fill(&family)}); err != nil {
			t.Fatal(err)
		}
		if b.moved != 1 || cap(b.body) > maxWhole+2*room {
			t.Errorf("%d lines: the body has been in %d places, with room for %d bytes", lines, b.moved, cap(b.body))
		}
	}
}
