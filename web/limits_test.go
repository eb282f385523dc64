package web

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fedscrape/fedscrape/exposition"
	"github.com/fedscrape/fedscrape/federator"
)

// pipe gives the client's end of one connection to a server, in the fake time of synctest, until the test ends.
func pipe(t *testing.T, o Options) net.Conn {
	t.Helper()
	client, server := net.Pipe()
	listener := &oneConn{conn: make(chan net.Conn, 1), closed: make(chan struct{})}
	listener.conn <- server
	web := newServer(t, o).server()
	web.Protocols = new(http.Protocols)
	web.Protocols.SetHTTP1(true)
	web.Protocols.SetUnencryptedHTTP2(true) // as TLS has it
	ended := make(chan error, 1)
	go func() { ended <- web.Serve(listener) }()
	t.Cleanup(func() {
		_ = client.Close()
		_ = web.Close()
		if err := <-ended; !errors.Is(err, http.ErrServerClosed) {
			t.Errorf("serve: %v", err)
		}
	})
	return client
}

// oneConn is a listener of one connection.
type oneConn struct {
	conn   chan net.Conn
	closed chan struct{}
}

func (l *oneConn) Accept() (net.Conn, error) {
	select {
	case c := <-l.conn:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *oneConn) Close() error {
	close(l.closed)
	return nil
}

func (l *oneConn) Addr() net.Addr { return &net.TCPAddr{} }

func send(t *testing.T, conn net.Conn, request string) {
	t.Helper()
	if _, err := io.WriteString(conn, request); err != nil {
		t.Fatal(err)
	}
}

const askForAPage = "GET /merged?job=j&instance=i HTTP/1.1\r\nHost: h\r\n\r\n"

// Workers may take longer than any reader or writer is given, where scrape_timeout lets them.
func TestMergedMayTakeLong(t *testing.T) {
	f := func(name string, choose func(*http.Protocols)) {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				fake := &fakeFederator{gather: func(ctx context.Context, j, i string) (*federator.Page, error) {
					select {
					case <-time.After(3 * writeTimeout):
						return onePage(ctx, j, i)
					case <-ctx.Done():
						return nil, ctx.Err()
					}
				}}
				conn := pipe(t, Options{Federator: fake})
				transport := &http.Transport{
					Protocols: new(http.Protocols), DialContext: func(context.Context, string, string) (net.Conn, error) { return conn, nil },
				}
				choose(transport.Protocols)
				defer transport.CloseIdleConnections()
				for range 2 { // a kept-alive connection's second request has no less
					status, body := get(t, &http.Client{Transport: kept{transport}}, "http://h/merged?job=j&instance=i", nil)
					if status != 200 || body != textPage {
						t.Errorf("got %d %q", status, body)
					}
				}
			})
		})
	}
	f("HTTP/1", func(p *http.Protocols) { p.SetHTTP1(true) })
	f("HTTP/2", func(p *http.Protocols) { p.SetUnencryptedHTTP2(true) })
}

// kept hides CloseIdleConnections: there is one connection only.
type kept struct{ http.RoundTripper }

// largePage has more than net/http keeps in a buffer.
func largePage(context.Context, string, string) (*federator.Page, error) {
	page, _ := onePage(context.Background(), "", "")
	family := page.Families[0].Family()
	family.Help = strings.Repeat("x", 1<<20)
	return &federator.Page{Families: []exposition.Filled{exposition.Fill(&family)}}, nil
}

// A reader who stops reading must not hold a page, a compressor and a goroutine for ever.
func TestReaderWhoStops(t *testing.T) {
	f := func(name, request string) {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				began := time.Now()
				conn := pipe(t, Options{Federator: &fakeFederator{gather: largePage}})
				send(t, conn, request)
				if _, err := io.ReadFull(conn, make([]byte, 1)); err != nil { // the answer begins
					t.Fatal(err)
				}
				time.Sleep(writeTimeout + time.Second) // fake time: the reader does something else
				if _, err := io.ReadAll(conn); err != nil {
					t.Errorf("read what is left: %v", err)
				}
				if took := time.Since(began); took != writeTimeout+time.Second {
					t.Errorf("the server held on for %v", took)
				}
			})
		})
	}
	f("merged", askForAPage)
	f("other", "GET / HTTP/1.1\r\nHost: h\r\n\r\n")
}

// A body that nobody asked for is waited for no longer than one that is wanted.
func TestBodyThatNeverEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		conn := pipe(t, Options{Federator: &fakeFederator{}})
		send(t, conn, "POST /sd/workers HTTP/1.1\r\nHost: h\r\nContent-Length: 1000\r\n\r\nhalf")
		answer, err := io.ReadAll(conn)
		if err != nil || !strings.HasPrefix(string(answer), "HTTP/1.1 405 ") {
			t.Errorf("got %q, %v", answer, err)
		}
		if took := time.Since(began); took > readTimeout+time.Second {
			t.Errorf("the connection was held for %v", took)
		}
	})
}

// Too many requests are refused, not queued; who watches the federator is still answered, and room is used again.
func TestRequestsInFlightAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		s := newServer(t, Options{Federator: held(make(chan struct{}, 2*maxInFlight), release)})
		ask := func(path string) *httptest.ResponseRecorder {
			w := httptest.NewRecorder()
			s.routes.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), "GET", path, nil))
			return w
		}
		codes := make(chan int, maxInFlight)
		for range maxInFlight {
			go func() { codes <- ask("/merged?job=j&instance=i").Code }()
		}
		synctest.Wait()
		for _, path := range []string{"/merged?job=j&instance=i", "/sd/instances", "/sd/workers", "/api/v1/instances", "/"} {
			wantText(t, ask(path), 503, "1024 requests are under way, no more are taken: ask again, or ask less often\n")
		}
		w := httptest.NewRecorder()
		s.routes.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), "PUT", "/api/v1/final?job=j&instance=i", nil))
		if w.Code != 503 {
			t.Errorf("a final page got %d", w.Code)
		}
		for _, path := range []string{"/-/healthy", "/-/ready", "/metrics"} {
			if w := ask(path); w.Code != 200 {
				t.Errorf("%s got %d", path, w.Code)
			}
		}
		close(release)
		for range maxInFlight {
			if code := <-codes; code != 200 {
				t.Errorf("a request within the bound got %d", code)
			}
		}
		if w := ask("/merged?job=j&instance=i"); w.Code != 200 {
			t.Errorf("after the others have ended: got %d", w.Code)
		}
	})
}
