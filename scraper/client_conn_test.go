package scraper

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
)

func TestFetchKeepsConnections(t *testing.T) { overClients(t, testFetchKeepsConnections) }

func testFetchKeepsConnections(t *testing.T, newClient maker) {
	var conns, asked atomic.Int32
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if asked.Add(1)%2 == 0 {
			w.Header().Set("Content-Encoding", "gzip")
			_, _ = w.Write(gzipped([]byte("up 1\n")))
			return
		}
		_, _ = fmt.Fprint(w, strings.Repeat("x", 100_000))
	}))
	s.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			conns.Add(1)
		}
	}
	s.Start()
	defer s.Close()
	c := newClient(t, nil)
	for range 10 {
		if _, _, err := get(c, s.URL, 0); err != nil {
			t.Fatal(err)
		}
	}
	if n := conns.Load(); n != 1 {
		t.Errorf("10 good scrapes took %d connections, want 1", n)
	}
	bad := func(*Response) error { return errors.New("bad line") }
	_ = c.Fetch(context.Background(), s.URL, 0, bad)
	if _, _, err := get(c, s.URL, 0); err != nil || conns.Load() != 2 {
		t.Errorf("after a bad page %d connections, want 2; error %v", conns.Load(), err)
	}
}

func TestFetchReusesAfterAHandlerThatStopsAtThePagesEnd(t *testing.T) {
	overClients(t, testFetchReusesAfterAHandlerThatStopsAtThePagesEnd)
}

func testFetchReusesAfterAHandlerThatStopsAtThePagesEnd(t *testing.T, newClient maker) {
	var conns atomic.Int32
	u := serveRaw(t, func(conn net.Conn, _ <-chan struct{}) {
		conns.Add(1)
		for {
			_, err := io.WriteString(conn, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n6\r\n# EOF\n\r\n1\r\n\n\r\n0\r\n\r\n")
			if _, rerr := conn.Read(make([]byte, 4096)); err != nil || rerr != nil {
				return
			}
		}
	})
	c := newClient(t, nil)
	for range 3 {
		err := c.Fetch(context.Background(), u, 0, func(r *Response) error {
			_, err := io.ReadFull(r.Body, make([]byte, 6))
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if conns.Load() != 1 {
		t.Errorf("%d connections, want 1", conns.Load())
	}
	c.Close() // the server's loop ends with its connection
}
