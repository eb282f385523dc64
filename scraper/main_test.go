package scraper

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	if os.Getenv(benchServer) != "" {
		serveBench()
		return
	}
	goleak.VerifyTestMain(m)
}

// newTestClient makes a client that closes with the test. change may be nil.
func newTestClient(t *testing.T, change func(*Options)) *Client {
	t.Helper()
	o := NewOptions()
	if change != nil {
		change(&o)
	}
	c, err := NewClient(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// maker makes a client as newTestClient does.
type maker func(t *testing.T, change func(*Options)) *Client

// overClients holds net/http's client and our own to the same test.
func overClients(t *testing.T, test func(t *testing.T, newClient maker)) {
	t.Run("net/http", func(t *testing.T) { test(t, newNetHTTPClient) })
	t.Run("plain", func(t *testing.T) { test(t, newPlainClient) })
}

func newNetHTTPClient(t *testing.T, change func(*Options)) *Client {
	t.Helper()
	c := newTestClient(t, change)
	c.plain = nil
	return c
}

// newPlainClient makes sure that it is our own client that is tested.
func newPlainClient(t *testing.T, change func(*Options)) *Client {
	t.Helper()
	c := newTestClient(t, change)
	if c.plain == nil {
		t.Fatal("these options are not plain")
	}
	c.http = &http.Client{Transport: tripper(func(r *http.Request) (*http.Response, error) {
		t.Errorf("%s went through net/http", r.URL)
		return nil, errors.New("not plain")
	})}
	return c
}

type tripper func(*http.Request) (*http.Response, error)

func (f tripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func serve(t *testing.T, h http.HandlerFunc) string {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s.URL
}

// serveRaw answers each connection with what talk writes after one request came. talk's quit ends with the test.
func serveRaw(t *testing.T, talk func(conn net.Conn, quit <-chan struct{})) string {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	quit := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() {
				defer func() { _ = conn.Close() }()
				_, _ = conn.Read(make([]byte, 4096))
				talk(conn, quit)
			})
		}
	})
	t.Cleanup(func() { close(quit); _ = l.Close(); wg.Wait() })
	return "http://" + l.Addr().String()
}

// raw is a server that sends text and closes.
func raw(t *testing.T, text string) string {
	t.Helper()
	return serveRaw(t, func(conn net.Conn, _ <-chan struct{}) { _, _ = io.WriteString(conn, text) })
}

// get fetches a whole page. Others read Body themselves.
func get(c *Client, url string, timeout time.Duration) (page string, r Response, err error) {
	err = c.Fetch(context.Background(), url, timeout, func(resp *Response) error {
		r = *resp
		var b strings.Builder
		n, err := resp.CopyTo(&b)
		if page = b.String(); n != int64(len(page)) {
			return fmt.Errorf("%d bytes were copied, and %d counted: %w", len(page), n, err)
		}
		return err
	})
	return page, r, err
}

// f checks a failure's result and its whole text.
func f(t *testing.T, err error, result Result, text string) {
	t.Helper()
	if got := ResultOf(err); got != result {
		t.Errorf("result %q, want %q", got, result)
	}
	if err == nil || err.Error() != text {
		t.Errorf("got error  %v\nwant error %s", err, text)
	}
}

func gzipped(text []byte) []byte {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, _ = w.Write(text)
	_ = w.Close()
	return b.Bytes()
}
