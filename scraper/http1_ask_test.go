//go:build unix

package scraper

import (
	"context"
	"errors"
	"io"
	"net"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestPlainEndsOnASocket by its deadline, and as soon as the caller gives up: the first question on a connection, and a later one.
func TestPlainEndsOnASocket(t *testing.T) {
	for _, before := range []string{"", pageA} {
		byDeadline := func(c *Client, u string) error {
			_, _, err := get(c, u, 50*time.Millisecond)
			return err
		}
		givenUp := func(c *Client, u string) error {
			ctx, cancel := context.WithCancel(t.Context())
			time.AfterFunc(10*time.Millisecond, cancel)
			return c.Fetch(ctx, u, 0, func(*Response) error { return nil })
		}
		testEndOnASocket(t, before, "no answer within 50ms (scrape_timeout of the Prometheus that asked)", byDeadline)
		testEndOnASocket(t, before, "no answer before the scrape was given up: context canceled", givenUp)
	}
}

func testEndOnASocket(t *testing.T, before, text string, fetch func(c *Client, url string) error) {
	t.Helper()
	u := serveRaw(t, func(conn net.Conn, quit <-chan struct{}) {
		if before != "" {
			_, _ = io.WriteString(conn, before)
			_, _ = conn.Read(make([]byte, 4096))
		}
		<-quit
	})
	c := newPlainClient(t, nil)
	defer c.Close()
	if before != "" {
		if page, _, err := get(c, u, 0); err != nil || page != "a" {
			t.Fatalf("page %q, error %v", page, err)
		}
	}
	f(t, fetch(c, u), ResultTimeout, text)
}

// TestPlainReadsAnEarlyAnswer: a worker that answers, and closes its side, before it is asked is heard at once. net/http may take
// the answer for one that nobody asked for.
func TestPlainReadsAnEarlyAnswer(t *testing.T) {
	said := make(chan struct{})
	u := listen(t, func(conn net.Conn) {
		_, _ = io.WriteString(conn, "HTTP/1.1 503 Busy\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
		_ = conn.(*net.TCPConn).CloseWrite()
		close(said)
		_, _ = io.Copy(io.Discard, conn)
	})
	c := newPlainClient(t, nil)
	dial := c.plain.dial
	c.plain.dial = func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := dial(ctx, network, address)
		<-said
		return conn, err
	}
	_, _, err := get(c, u, 0)
	f(t, err, ResultHTTPStatus, "server returned HTTP status 503 Service Unavailable")
}

// TestAskAConnectionThatIsClosed: what came to a kept connection before it is asked is seen then, however late it came.
func TestAskAConnectionThatIsClosed(t *testing.T) {
	quit := make(chan struct{})
	u := listen(t, func(conn net.Conn) {
		_, _ = conn.Read(make([]byte, 100))
		_, _ = io.WriteString(conn, "a")
		_ = conn.(*net.TCPConn).CloseWrite()
		<-quit
	})
	defer close(quit)
	dialed, err := new(net.Dialer).DialContext(t.Context(), "tcp", strings.TrimPrefix(u, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	c := newConn(dialed)
	defer func() { _ = c.Close() }()
	if piece, n, err := c.ask([]byte("GET")); err != nil || string(piece[:n]) != "a" {
		t.Fatalf("got %q, error %v", piece[:n], err)
	}
	for c.quiet() {
		runtime.Gosched() // until the end is there
	}
	c.kept = true
	if _, _, err := c.ask([]byte("GET")); !errors.Is(err, errNotStill) || c.heard {
		t.Errorf("error %v, heard %v", err, c.heard)
	}
}

// TestPlainIsReset: what the socket says is the reason, in net/http's words.
func TestPlainIsReset(t *testing.T) { overClients(t, testPlainIsReset) }

func testPlainIsReset(t *testing.T, newClient maker) {
	u := serveRaw(t, func(conn net.Conn, _ <-chan struct{}) { _ = conn.(*net.TCPConn).SetLinger(0) })
	_, _, err := get(newClient(t, nil), u, 0)
	f(t, err, ResultRefused, "connection reset by peer")
}

// TestAskMoreThanTheSocketTakes: the rest of a question goes out when there is room.
func TestAskMoreThanTheSocketTakes(t *testing.T) {
	question := strings.Repeat("GET /metrics HTTP/1.1\r\n", 1<<20)
	got := make(chan string, 1)
	u := listen(t, func(conn net.Conn) {
		text := make([]byte, len(question))
		n, _ := io.ReadFull(conn, text)
		got <- string(text[:n])
		_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\n")
	})
	dialed, err := new(net.Dialer).DialContext(t.Context(), "tcp", strings.TrimPrefix(u, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	c := newConn(dialed)
	defer func() { _ = c.Close() }()
	piece, n, err := c.ask([]byte(question))
	if err != nil || n != 0 || len(piece) != shortSize {
		t.Fatalf("a piece of %d with %d bytes, error %v", len(piece), n, err)
	}
	if text := <-got; text != question {
		t.Errorf("the worker was asked %d bytes, want %d", len(text), len(question))
	}
	if n, err := c.Read(piece); err != nil || string(piece[:n]) != "HTTP/1.1 200 OK\r\n" {
		t.Errorf("answer %q, error %v", piece[:n], err)
	}
}

// TestTakeTurn: each turn on the socket does what there is to do, and keeps no piece for what is not there.
func TestTakeTurn(t *testing.T) {
	for long, size := range map[bool]int{false: shortSize, true: pieceSize} {
		fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(syscall.SetNonblock(fds[0], true), syscall.SetNonblock(fds[1], true)); err != nil {
			t.Fatal(err)
		}
		c := &conn{long: long, kept: true}
		stack := c.pieces()
		stack.put(stack.get())
		free := func() int { return len(stack.free) }
		before := free()
		c.asking.question = []byte("GET")
		if c.takeTurn(uintptr(fds[0])) || len(c.asking.question) > 0 {
			t.Errorf("asked, and done with %q left", c.asking.question)
		}
		if c.takeTurn(uintptr(fds[0])) || free() != before {
			t.Errorf("nothing is there: done, or %d pieces free of %d", free(), before)
		}
		text := make([]byte, 10)
		n, err := syscall.Read(fds[1], text)
		if err != nil || string(text[:n]) != "GET" {
			t.Errorf("the worker got %q, error %v", text[:max(n, 0)], err)
		}
		if _, err := syscall.Write(fds[1], []byte("HTTP/1.1")); err != nil {
			t.Fatal(err)
		}
		if a := &c.asking; !c.takeTurn(uintptr(fds[0])) || string(a.piece[:a.n]) != "HTTP/1.1" || len(a.piece) != size || a.err != nil {
			t.Errorf("got %q in a piece of %d, error %v", a.piece[:a.n], len(a.piece), a.err)
		}
		if _, err := syscall.Write(fds[1], []byte("HTTP/1.1 408")); err != nil {
			t.Fatal(err)
		}
		stack.put(c.asking.piece)
		c.asking = asking{question: []byte("GET")}
		if !c.takeTurn(uintptr(fds[0])) || !errors.Is(c.asking.err, errNotStill) || free() != before {
			t.Errorf("what nobody asked for: error %v, %d pieces free of %d", c.asking.err, free(), before)
		}
		c.kept = false
		c.asking = asking{question: []byte("GET")}
		if a := &c.asking; !c.takeTurn(uintptr(fds[0])) || string(a.piece[:a.n]) != "TTP/1.1 408" || a.err != nil {
			t.Errorf("what a new connection begins with: got %q, error %v", a.piece[:a.n], a.err)
		}
		_ = errors.Join(syscall.Close(fds[0]), syscall.Close(fds[1]))
		stack.put(c.asking.piece)
		c.asking = asking{}
		if !c.takeTurn(uintptr(1<<20)) || c.asking.err == nil || free() != before {
			t.Errorf("a socket that is none: error %v, %d pieces free of %d", c.asking.err, free(), before)
		}
	}
}

// TestTakeTurnOnAFullSocket: a question that finds no room is net's to send.
func TestTakeTurnOnAFullSocket(t *testing.T) {
	fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = errors.Join(syscall.Close(fds[0]), syscall.Close(fds[1])) }()
	if err := syscall.SetNonblock(fds[0], true); err != nil {
		t.Fatal(err)
	}
	for err == nil {
		_, err = syscall.Write(fds[0], make([]byte, 4096))
	}
	c := &conn{asking: asking{question: []byte("GET")}}
	if !c.takeTurn(uintptr(fds[0])) || string(c.asking.question) != "GET" || c.asking.err != nil {
		t.Errorf("left %q, error %v", c.asking.question, c.asking.err)
	}
}
