package scraper

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestFetchDeadline(t *testing.T) { overClients(t, testFetchDeadline) }

func testFetchDeadline(t *testing.T, newClient maker) {
	const timeout = time.Second // long enough for what comes to come, on a busy machine
	hang := func(conn net.Conn, head string, quit <-chan struct{}) { _, _ = io.WriteString(conn, head); <-quit }
	for _, tt := range []struct {
		name, text string
		talk       func(net.Conn, <-chan struct{})
	}{
		{"never answers", "no answer", func(c net.Conn, quit <-chan struct{}) { hang(c, "", quit) }},
		{"stops in the headers", "no answer", func(c net.Conn, quit <-chan struct{}) { hang(c, "HTTP/1.1 200 OK\r\nConte", quit) }},
		{"stops in the body", "body not complete", func(c net.Conn, quit <-chan struct{}) {
			hang(c, "HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nup 1\n", quit)
		}},
		{"drips a body", "body not complete", func(c net.Conn, quit <-chan struct{}) {
			_, err := io.WriteString(c, "HTTP/1.1 200 OK\r\n\r\n")
			for err == nil {
				select {
				case <-quit:
					return
				case <-time.After(5 * time.Millisecond):
					_, err = io.WriteString(c, "x")
				}
			}
		}},
		{"drips headers", "no answer", func(c net.Conn, quit <-chan struct{}) {
			_, err := io.WriteString(c, "HTTP/1.1 200 OK\r\n")
			for err == nil {
				select {
				case <-quit:
					return
				case <-time.After(5 * time.Millisecond):
					_, err = io.WriteString(c, "X-Y: z\r\n")
				}
			}
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			u := serveRaw(t, tt.talk)
			start := time.Now()
			_, _, err := get(newClient(t, nil), u, timeout)
			f(t, err, ResultTimeout, tt.text+" within 1s (scrape_timeout of the Prometheus that asked)")
			if took := time.Since(start); took < timeout || took > 20*time.Second {
				t.Errorf("took %v", took)
			}
		})
	}
}

func TestFetchDeadlineOfTheJob(t *testing.T) { overClients(t, testFetchDeadlineOfTheJob) }

func testFetchDeadlineOfTheJob(t *testing.T, newClient maker) {
	u := serveRaw(t, func(_ net.Conn, quit <-chan struct{}) { <-quit })
	c := newClient(t, func(o *Options) { o.ScrapeTimeout = 50e6 })
	_, _, err := get(c, u, 0)
	f(t, err, ResultTimeout, "no answer within 50ms (scrape_timeout)")
}

// endless serves one chunk of 64 KiB after the other and counts them until the client is gone.
func endless(t *testing.T, head string) (url string, sent <-chan int) {
	t.Helper()
	done := make(chan int, 1)
	return serveRaw(t, func(conn net.Conn, _ <-chan struct{}) {
		_, err := io.WriteString(conn, head)
		total := 0
		for n := 0; err == nil; total += n {
			n, err = conn.Write(bytes.Repeat([]byte("x"), 64<<10))
		}
		done <- total
	}), done
}

func TestFetchBodySizeLimit(t *testing.T) { overClients(t, testFetchBodySizeLimit) }

func testFetchBodySizeLimit(t *testing.T, newClient maker) {
	const told = "HTTP/1.1 200 OK\r\nContent-Length: 10737418240\r\n\r\n"
	const untold = "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"
	for _, head := range []string{told, untold} {
		u, sent := endless(t, head)
		c := newClient(t, func(o *Options) { o.BodySizeLimit = 1 << 20 })
		page, _, err := get(c, u, 0)
		f(t, err, ResultTooLarge, "body larger than body_size_limit (1MB)")
		if len(page) > 1<<20 || head == told && page != "" { // a length that is told is refused before a byte is read
			t.Errorf("handed out %d bytes", len(page))
		}
		if n := <-sent; n > 32<<20 {
			t.Errorf("the worker got rid of %d bytes", n)
		}
	}
}

func TestFetchBodySizeLimitIsExact(t *testing.T) { overClients(t, testFetchBodySizeLimitIsExact) }

func testFetchBodySizeLimitIsExact(t *testing.T, newClient maker) {
	const size = 100_000
	u := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/gzip" {
			w.Header().Set("Content-Encoding", "gzip")
			_, _ = w.Write(gzipped(make([]byte, size)))
			return
		}
		_, _ = fmt.Fprint(w, strings.Repeat("x", size))
	})
	for path, what := range map[string]string{"/": "", "/gzip": " decoded"} {
		page, _, err := get(newClient(t, func(o *Options) { o.BodySizeLimit = size }), u+path, 0)
		if err != nil || len(page) != size {
			t.Errorf("%s: %d bytes, error %v", path, len(page), err)
		}
		_, _, err = get(newClient(t, func(o *Options) { o.BodySizeLimit = size - 1 }), u+path, 0)
		f(t, err, ResultTooLarge, "body"+what+" larger than body_size_limit (99999B)")
		page, _, err = get(newClient(t, func(o *Options) { o.BodySizeLimit = 0 }), u+path, 0)
		if err != nil || len(page) != size {
			t.Errorf("%s without a limit: %d bytes, error %v", path, len(page), err)
		}
	}
}

func TestFetchGzip(t *testing.T) { overClients(t, testFetchGzip) }

func testFetchGzip(t *testing.T, newClient maker) {
	page := []byte(strings.Repeat("reqs_total 1\n", 1000))
	good := gzipped(page)
	flipped := bytes.Clone(good)
	flipped[len(flipped)-6] ^= 1
	for _, tt := range []struct {
		name, encoding string
		body           []byte
		text           string
	}{
		{"good though not asked for", "gzip", good, ""},
		{"x-gzip", "X-GZIP", good, ""},
		{"two members", "gzip", append(bytes.Clone(good), gzipped(nil)...), ""},
		{"identity", "identity", page, ""},
		{"cut", "gzip", good[:len(good)-20], "gzip body ends too early"},
		{"empty", "gzip", nil, "gzip body ends too early"},
		{"not gzip", "gzip", page, "decode gzip body: gzip: invalid header"},
		{"checksum", "gzip", flipped, "decode gzip body: gzip: invalid checksum"},
		{"other encoding", "br", page, `body has Content-Encoding "br", which was not asked for`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			u := serve(t, func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Encoding", tt.encoding)
				_, _ = w.Write(tt.body)
			})
			got, _, err := get(newClient(t, nil), u, 0)
			if tt.text != "" {
				f(t, err, ResultParse, tt.text)
			} else if err != nil || got != string(page) {
				t.Errorf("%d bytes, error %v", len(got), err)
			}
		})
	}
}

var bomb = sync.OnceValue(func() []byte { return gzipped(make([]byte, 64<<20)) }) // 64 KiB as sent

func TestFetchGzipBomb(t *testing.T) { overClients(t, testFetchGzipBomb) }

func testFetchGzipBomb(t *testing.T, newClient maker) {
	bomb := bomb()
	u := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Encoding", "gzip")
		_, _ = w.Write(bomb)
	})
	page, _, err := get(newClient(t, func(o *Options) { o.BodySizeLimit = 1 << 20 }), u, 0)
	f(t, err, ResultTooLarge, "body decoded larger than body_size_limit (1MB)")
	if len(page) > 1<<20 {
		t.Errorf("handed out %d bytes", len(page))
	}
}

func TestFetchGzipLimitAsSent(t *testing.T) { overClients(t, testFetchGzipLimitAsSent) }

func testFetchGzipLimitAsSent(t *testing.T, newClient maker) {
	u, _ := endless(t, "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n"+string(gzipped(nil)[:10])+"\x00\xff\xff\x00\x00")
	_, _, err := get(newClient(t, func(o *Options) { o.BodySizeLimit = 32 << 10 }), u, 0)
	if ResultOf(err) != ResultTooLarge {
		t.Errorf("got %v", err)
	}
}

func TestFetchCutBodies(t *testing.T) { overClients(t, testFetchCutBodies) }

func testFetchCutBodies(t *testing.T, newClient maker) {
	for name, answer := range map[string]string{
		"lying Content-Length": "HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\nup 1\n",
		"truncated chunk":      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n50\r\nup 1\n",
		"no last chunk":        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nup 1\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			page, r, err := get(newClient(t, nil), raw(t, answer), 0)
			f(t, err, ResultParse, "connection closed too early")
			if page != "up 1\n" || !r.LengthTold {
				t.Errorf("page %q, %+v", page, r)
			}
		})
	}
}

func TestFetchFailsWhereTheHandlerLooksAway(t *testing.T) {
	overClients(t, testFetchFailsWhereTheHandlerLooksAway)
}

func testFetchFailsWhereTheHandlerLooksAway(t *testing.T, newClient maker) {
	u := raw(t, "HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\nup 1\n")
	err := newClient(t, nil).Fetch(context.Background(), u, 0, func(r *Response) error {
		_, _ = io.ReadAll(r.Body)
		return nil
	})
	f(t, err, ResultParse, "connection closed too early")
}

func TestFetchBodyErrorSurvivesWrapping(t *testing.T) {
	overClients(t, testFetchBodyErrorSurvivesWrapping)
}

func testFetchBodyErrorSurvivesWrapping(t *testing.T, newClient maker) {
	u := raw(t, "HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\nup 1\n")
	err := newClient(t, nil).Fetch(context.Background(), u, 0, func(r *Response) error {
		_, err := io.ReadAll(r.Body)
		return fmt.Errorf("line 2: %w", err)
	})
	if e, ok := errors.AsType[*Error](err); !ok || e.Result != ResultParse || !strings.HasPrefix(err.Error(), "line 2: ") {
		t.Errorf("got %v", err)
	}
}

func TestFetchBoundsHeaders(t *testing.T) { overClients(t, testFetchBoundsHeaders) }

func testFetchBoundsHeaders(t *testing.T, newClient maker) {
	u, _ := endless(t, "HTTP/1.1 200 OK\r\nX-Long: ")
	c := newClient(t, nil)
	_, _, err := get(c, u, 0)
	f(t, err, ResultTooLarge, map[bool]string{false: "headers larger than 10MB", true: "headers larger than 64KB"}[c.plain != nil])
}
