package scraper

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	promconfig "github.com/prometheus/common/config"
	"github.com/prometheus/common/model"
)

func TestFetchAsksAsPrometheusDoes(t *testing.T) { overClients(t, testFetchAsksAsPrometheusDoes) }

func testFetchAsksAsPrometheusDoes(t *testing.T, newClient maker) {
	var header http.Header
	u := serve(t, func(w http.ResponseWriter, r *http.Request) {
		header = r.Header
		w.Header().Set("Content-Type", "text/plain; version=0.0.4")
		w.Header().Set("X-Fedscrape-Worker", "webapp-h-17-1")
		w.Header().Set("X-Fedscrape-Start", "1700000000.25")
		_, _ = fmt.Fprintln(w, "up 1")
	})
	page, r, err := get(newClient(t, nil), u, 2500*time.Millisecond)
	if err != nil || page != "up 1\n" {
		t.Fatalf("page %q, error %v", page, err)
	}
	for key, want := range map[string]string{
		"Accept": "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.7," +
			"text/plain;version=1.0.0;escaping=allow-utf-8;q=0.6,text/plain;version=0.0.4;q=0.5,*/*;q=0.4",
		"Accept-Encoding":                     "identity",
		"X-Prometheus-Scrape-Timeout-Seconds": "2.5",
		"User-Agent":                          "fedscrape/devel",
	} {
		if got := header.Get(key); got != want {
			t.Errorf("%s: got %q, want %q", key, got, want)
		}
	}
	if r.ContentType != "text/plain; version=0.0.4" || r.WorkerID != "webapp-h-17-1" || r.StartTime != 1700000000.25 || !r.LengthTold {
		t.Errorf("response %+v", r)
	}
}

func TestFetchAsksForGzipOnlyWhereConfigured(t *testing.T) {
	overClients(t, testFetchAsksForGzipOnlyWhereConfigured)
}

func testFetchAsksForGzipOnlyWhereConfigured(t *testing.T, newClient maker) {
	u := serve(t, func(w http.ResponseWriter, r *http.Request) { _, _ = fmt.Fprint(w, r.Header.Get("Accept-Encoding")) })
	page, _, err := get(newClient(t, func(o *Options) { o.EnableCompression = true }), u, 0)
	if err != nil || page != "gzip" {
		t.Errorf("asked for %q, error %v", page, err)
	}
}

func TestFetchTellsWhetherTheLengthIsKnown(t *testing.T) {
	overClients(t, testFetchTellsWhetherTheLengthIsKnown)
}

func testFetchTellsWhetherTheLengthIsKnown(t *testing.T, newClient maker) {
	packed := gzipped([]byte("up 1\n"))
	for _, tt := range []struct {
		name, answer string
		told         bool
		length       int64
	}{
		{"content-length", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nup 1\n", true, 5},
		{"chunked", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nup 1\n\r\n0\r\n\r\n", true, 0},
		{"http/1.0", "HTTP/1.0 200 OK\r\n\r\nup 1\n", false, 0},
		{"http/1.1 until closed", "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nup 1\n", false, 0},
		{"http/1.0 with length", "HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nup 1\n", true, 5},
		{"compressed", fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n%s", len(packed), packed), true, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			page, r, err := get(newClient(t, nil), raw(t, tt.answer), 0)
			if err != nil || page != "up 1\n" || r.LengthTold != tt.told || r.Length != tt.length {
				t.Errorf("page %q, told %v (want %v), length %d (want %d), error %v", page, r.LengthTold, tt.told, r.Length, tt.length, err)
			}
		})
	}
}

func TestFetchTakesOnlyGoodHeaders(t *testing.T) { overClients(t, testFetchTakesOnlyGoodHeaders) }

func testFetchTakesOnlyGoodHeaders(t *testing.T, newClient maker) {
	for _, start := range []string{"", "NaN", "Inf", "-5", "soon", "1e999"} {
		u := serve(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("X-Fedscrape-Start", start)
			w.Header().Set("X-Fedscrape-Worker", strings.Repeat("x", 2000))
		})
		_, r, err := get(newClient(t, nil), u, 0)
		if err != nil || r.StartTime != 0 || r.WorkerID != "" {
			t.Errorf("start %q: got %v and a worker ID of %d bytes, error %v", start, r.StartTime, len(r.WorkerID), err)
		}
	}
}

// TestFetchTakesEachAnswersHeaders: what an answer says is not what the one before it on the same connection said.
func TestFetchTakesEachAnswersHeaders(t *testing.T) { overClients(t, testFetchTakesEachAnswersHeaders) }

func testFetchTakesEachAnswersHeaders(t *testing.T, newClient maker) {
	asked := 0
	u := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		asked++
		w.Header()["Content-Type"] = nil
		if asked%2 == 1 {
			w.Header().Set("Content-Type", fmt.Sprintf("text/%d", asked))
			w.Header().Set("X-Fedscrape-Worker", fmt.Sprintf("worker-%d", asked))
			w.Header().Set("X-Fedscrape-Start", strconv.Itoa(asked))
		}
	})
	c := newClient(t, nil)
	for i := 1; i < 7; i++ {
		want := Response{LengthTold: true}
		if i%2 == 1 {
			want = Response{fmt.Sprintf("text/%d", i), fmt.Sprintf("worker-%d", i), float64(i), true, 0, nil}
		}
		_, r, err := get(c, u, 0)
		if r.Body = nil; err != nil || r != want {
			t.Errorf("got %+v, want %+v, error %v", r, want, err)
		}
	}
}

func TestFetchStatus(t *testing.T) { overClients(t, testFetchStatus) }

func testFetchStatus(t *testing.T, newClient maker) {
	for code, want := range map[int]string{
		500: "server returned HTTP status 500 Internal Server Error",
		204: "server returned HTTP status 204 No Content",
		599: "server returned HTTP status 599",
		401: "server returned HTTP status 401 Unauthorized (basic_auth, authorization and tls_config say who asks)",
		302: "server returned HTTP status 302 Found (a redirect; follow_redirects: true follows it)",
	} {
		u := serve(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", "/elsewhere")
			w.WriteHeader(code)
		})
		_, _, err := get(newClient(t, nil), u, 0)
		f(t, err, ResultHTTPStatus, want)
	}
}

func TestFetchFollowsRedirectsWhereConfigured(t *testing.T) {
	u := serve(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/once":
			http.Redirect(w, r, "/page", http.StatusFound)
		case "/loop":
			http.Redirect(w, r, "/loop", http.StatusFound)
		default:
			_, _ = fmt.Fprint(w, "page")
		}
	})
	c := newTestClient(t, func(o *Options) { o.HTTPClient.FollowRedirects = true })
	if page, _, err := get(c, u+"/once", 0); err != nil || page != "page" {
		t.Errorf("page %q, error %v", page, err)
	}
	_, _, err := get(c, u+"/loop", 0)
	f(t, err, ResultHTTPStatus, "gave up after 10 redirects")
}

func TestFetchRefused(t *testing.T) { overClients(t, testFetchRefused) }

func testFetchRefused(t *testing.T, newClient maker) {
	closed := httptest.NewServer(nil)
	closed.Close()
	c := newClient(t, nil)
	for _, tt := range []struct{ name, url, text string }{
		{"nobody listens", closed.URL, "connection refused"},
		{"closes without a word", raw(t, ""), "connection closed too early"},
		{"no HTTP", raw(t, "SSH-2.0-x\r\n"), `malformed HTTP response "SSH-2.0-x"`},
		{"no HTTP, long", raw(t, strings.Repeat("y", 3000)+"\r\n"), `malformed HTTP response "` + strings.Repeat("y", 175) + "..."},
		{"bad URL", "http://user:secret@bad host:x/", "the worker's URL is not valid"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, _, err := get(c, tt.url, 0)
			f(t, err, ResultRefused, tt.text)
			if got, want := errors.Is(err, syscall.ECONNREFUSED), tt.url == closed.URL; got != want {
				t.Errorf("is ECONNREFUSED: %v, want %v", got, want)
			}
		})
	}
}

func TestFetchNamesABrokenProxy(t *testing.T) {
	closed := httptest.NewServer(nil)
	closed.Close()
	c := newTestClient(t, func(o *Options) {
		proxy, _ := url.Parse(closed.URL)
		o.HTTPClient.ProxyURL = promconfig.URL{URL: proxy}
	})
	_, _, err := get(c, "http://192.0.2.1:1/metrics", 0)
	f(t, err, ResultRefused, "proxy: connection refused")
	if errors.Is(err, syscall.ECONNREFUSED) {
		t.Error("it is the proxy that is gone, not the worker")
	}
}

func TestFetchKeepsSecretsOutOfErrors(t *testing.T) {
	closed := httptest.NewServer(nil)
	closed.Close()
	c := newTestClient(t, nil)
	for _, u := range []string{
		strings.Replace(closed.URL, "http://", "http://user:hunter2@", 1) + "/?token=hunter2",
		"http://user:hunt/hunter2@127.0.0.1/", "http://user:hunter2@%zz/", "gopher://user:hunter2@127.0.0.1/",
	} {
		_, _, err := get(c, u, 0)
		if err == nil || strings.Contains(fmt.Sprintf("%v %+v %#v", err, err, errors.Unwrap(err)), "hunt") {
			t.Errorf("error %v for %s", err, u)
		}
	}
}

func TestFetchPassesTheHandlersErrorOn(t *testing.T) {
	overClients(t, testFetchPassesTheHandlersErrorOn)
}

func testFetchPassesTheHandlersErrorOn(t *testing.T, newClient maker) {
	u := serve(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = fmt.Fprint(w, "page") })
	want := errors.New("line 3: expected a number")
	err := newClient(t, nil).Fetch(context.Background(), u, 0, func(*Response) error { return want })
	if err != want { //nolint:errorlint // as it is
		t.Errorf("got %v", err)
	}
	if ResultOf(err) != ResultParse {
		t.Errorf("result %q", ResultOf(err))
	}
}

func TestFetchGivenUpByTheCaller(t *testing.T) { overClients(t, testFetchGivenUpByTheCaller) }

func testFetchGivenUpByTheCaller(t *testing.T, newClient maker) {
	asked := make(chan struct{})
	u := serveRaw(t, func(_ net.Conn, quit <-chan struct{}) { close(asked); <-quit })
	ctx, cancel := context.WithCancel(context.Background())
	go func() { <-asked; cancel() }()
	err := newClient(t, nil).Fetch(ctx, u, 0, func(*Response) error { return nil })
	f(t, err, ResultTimeout, "no answer before the scrape was given up: context canceled")
	if !errors.Is(err, context.Canceled) {
		t.Error("not context.Canceled")
	}
}

func TestScrapesAreCounted(t *testing.T) {
	reg := prometheus.NewPedanticRegistry()
	m := NewMetrics(reg)
	m.Scraped("webapp", 10, nil)
	m.Scraped("webapp", 5, fmt.Errorf("worker 3: %w", &Error{ResultTimeout, errors.New("no answer")}))
	m.Scraped("webapp", 1, errors.New("bad line"))
	m.Scraped("gone", 1, nil)
	m.Forget("gone")
	want := `
# HELP fedscrape_scrape_bytes_total Bytes read from the pages of workers, decoded.
# TYPE fedscrape_scrape_bytes_total counter
fedscrape_scrape_bytes_total{job="webapp"} 16
# HELP fedscrape_scrapes_total Scrapes of workers by how they ended.
# TYPE fedscrape_scrapes_total counter
fedscrape_scrapes_total{job="webapp",result="ok"} 1
fedscrape_scrapes_total{job="webapp",result="parse"} 1
fedscrape_scrapes_total{job="webapp",result="timeout"} 1
`
	if err := testutil.GatherAndCompare(reg, strings.NewReader(want)); err != nil {
		t.Error(err)
	}
}

func TestFetchTimeoutIsThatOfTheJobAtMost(t *testing.T) {
	overClients(t, testFetchTimeoutIsThatOfTheJobAtMost)
}

func testFetchTimeoutIsThatOfTheJobAtMost(t *testing.T, newClient maker) {
	u := serve(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = fmt.Fprint(w, r.Header.Get("X-Prometheus-Scrape-Timeout-Seconds"))
	})
	c := newClient(t, func(o *Options) { o.ScrapeTimeout = model.Duration(3 * time.Second) })
	for timeout, want := range map[time.Duration]string{0: "3", time.Minute: "3", time.Second: "1"} {
		if page, _, err := get(c, u, timeout); err != nil || page != want {
			t.Errorf("timeout %v: asked with %q, want %q, error %v", timeout, page, want, err)
		}
	}
}
