package scraper

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// pipes is a network of net.Pipe: dial gives one end, talk has the other. Their ends are counted.
type pipes struct {
	talk  func(net.Conn)
	group sync.WaitGroup
	open  atomic.Int32
	dials atomic.Int32
}

type countedConn struct {
	net.Conn
	once sync.Once
	open *atomic.Int32
}

func (c *countedConn) Close() error {
	c.once.Do(func() { c.open.Add(-1) })
	return c.Conn.Close()
}

func (p *pipes) dial(context.Context, string, string) (net.Conn, error) {
	here, there := net.Pipe()
	p.open.Add(1)
	p.dials.Add(1)
	p.group.Go(func() {
		defer func() { _ = there.Close() }()
		p.talk(there)
	})
	return &countedConn{Conn: here, open: &p.open}, nil
}

// readQuestion reads one request as it came.
func readQuestion(r *bufio.Reader) (string, error) {
	var b strings.Builder
	for {
		line, err := r.ReadString('\n')
		b.WriteString(line)
		if err != nil || line == "\r\n" {
			return b.String(), err
		}
	}
}

// once answers one request on each connection with text, and closes it.
func once(text string) func(net.Conn) {
	return func(conn net.Conn) {
		if _, err := readQuestion(bufio.NewReader(conn)); err == nil {
			_, _ = io.WriteString(conn, text)
		}
	}
}

// TestPlainHostileAnswers: none of them takes more than a bounded time and memory, and all say what is wrong.
func TestPlainHostileAnswers(t *testing.T) {
	const chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
	for name, tt := range map[string]struct {
		head, endless string
		result        Result
		text          string
	}{
		"first line":       {"", "x", ResultTooLarge, "headers larger than 64KB"},
		"headers":          {"HTTP/1.1 200 OK\r\n", "A: b\r\n", ResultTooLarge, "headers larger than 64KB"},
		"folded header":    {"HTTP/1.1 200 OK\r\nA: b\r\n", " c\r\n", ResultTooLarge, "headers larger than 64KB"},
		"1xx":              {"", "HTTP/1.1 100 Continue\r\n\r\n", ResultTooLarge, "headers larger than 64KB"},
		"chunk extension":  {chunked + "1;", "x", ResultParse, "chunk line longer than 4KB"},
		"chunk size":       {chunked, "0", ResultParse, "chunk line longer than 4KB"},
		"chunk extensions": {chunked, "1;" + strings.Repeat("x", 1000) + "\r\nx\r\n", ResultParse, "chunked encoding contains too much non-data"},
		"trailer":          {chunked + "0\r\n", "A: b\r\n", ResultParse, "trailer longer than 4KB"},
		"negative chunk":   {chunked + "-1\r\n", "x", ResultParse, "malformed chunked encoding"},
		"huge chunk":       {chunked + "8000000000000000\r\n", "x", ResultParse, "malformed chunked encoding"},
		"overflowing size": {chunked + "10000000000000000\r\n", "x", ResultParse, "malformed chunked encoding"},
		"chunk too long":   {chunked + "1\r\n", "x", ResultParse, "malformed chunked encoding"},
		"largest chunk":    {chunked + "4000000000000000\r\n", "x", ResultTooLarge, "body larger than body_size_limit (1MB)"},
	} {
		t.Run(name, func(t *testing.T) {
			sent := 0
			p := &pipes{talk: func(conn net.Conn) {
				_, err := readQuestion(bufio.NewReader(conn))
				for text := tt.head; err == nil; text = strings.Repeat(tt.endless, 1+1000/len(tt.endless)) {
					var n int
					n, err = io.WriteString(conn, text)
					sent += n
				}
			}}
			c := newPlainClient(t, func(o *Options) { o.BodySizeLimit = 1 << 20 })
			c.plain.dial = p.dial
			_, _, err := get(c, "http://worker/", 0)
			f(t, err, tt.result, tt.text)
			p.group.Wait()
			if limit := 2 << 20; sent > limit || p.open.Load() != 0 {
				t.Errorf("read %d bytes, %d connections open", sent, p.open.Load())
			}
		})
	}
}

func TestPlainKeepsNothingThatIsNotClean(t *testing.T) {
	for name, answer := range map[string]string{
		"bytes behind the body": "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nxHTTP/1.1 200 OK\r\n",
		"connection: close":     "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 1\r\n\r\nx",
		"http/1.0":              "HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\nx",
		"other status, body":    "HTTP/1.1 500 x\r\nContent-Length: 1\r\n\r\nx",
		"101":                   "HTTP/1.1 101 x\r\nConnection: upgrade\r\n\r\n",
		"bad chunk":             "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n",
		"malformed":             "SSH-2.0-x\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			p := &pipes{talk: once(answer)}
			c := newPlainClient(t, nil)
			c.plain.dial = p.dial
			for range 3 {
				_, _, _ = get(c, "http://worker/", 0)
			}
			p.group.Wait()
			if p.dials.Load() != 3 || p.open.Load() != 0 {
				t.Errorf("%d connections, %d open", p.dials.Load(), p.open.Load())
			}
		})
	}
}

func TestPlainKeepsConnectionsOfOtherStatuses(t *testing.T) {
	for _, answer := range []string{"HTTP/1.1 503 x\r\nContent-Length: 0\r\n\r\n", "HTTP/1.1 204 x\r\nContent-Length: 10\r\n\r\n"} {
		p := &pipes{talk: func(conn net.Conn) {
			for r := bufio.NewReader(conn); ; {
				if _, err := readQuestion(r); err != nil {
					return
				}
				_, _ = io.WriteString(conn, answer)
			}
		}}
		c := newPlainClient(t, nil)
		c.plain.dial = p.dial
		for range 3 {
			if _, _, err := get(c, "http://worker/", 0); ResultOf(err) != ResultHTTPStatus {
				t.Error(err)
			}
		}
		if p.dials.Load() != 1 {
			t.Errorf("%d connections, want 1", p.dials.Load())
		}
		c.Close()
		p.group.Wait()
	}
}

// TestFetchTellsPagesApart has many scrapes at once, some given up, over a few connections each: every page is the one
// that was asked for.
func TestFetchTellsPagesApart(t *testing.T) { overClients(t, testFetchTellsPagesApart) }

func testFetchTellsPagesApart(t *testing.T, newClient maker) {
	u := serve(t, func(w http.ResponseWriter, r *http.Request) {
		page := strings.Repeat(r.URL.Path+"\n", 5000)
		w.Header().Set("X-Fedscrape-Worker", r.URL.Path)
		w.Header().Set("Content-Type", r.URL.Path)
		if strings.HasSuffix(r.URL.Path, "0") { // chunked
			for _, part := range strings.SplitAfterN(page, "\n", 50) {
				_, _ = io.WriteString(w, part)
				w.(http.Flusher).Flush()
			}
			return
		}
		_, _ = io.WriteString(w, page)
	})
	c := newClient(t, nil)
	var wg sync.WaitGroup
	for i := range 16 {
		path := "/" + strings.Repeat("w", 1+i%5) + string(rune('0'+i%2))
		wg.Go(func() {
			for j := range 20 {
				ctx, cancel := context.WithCancel(t.Context())
				err := c.Fetch(ctx, u+path, 0, func(r *Response) error {
					if j%5 == i%5 {
						cancel()
					}
					b, err := io.ReadAll(r.Body)
					if err != nil {
						return err
					}
					if r.WorkerID != path || r.ContentType != path || string(b) != strings.Repeat(path+"\n", 5000) {
						t.Errorf("asked for %s, got %s %s and %d bytes", path, r.WorkerID, r.ContentType, len(b))
					}
					return nil
				})
				if err != nil && (j%5 != i%5 || !errors.Is(err, context.Canceled)) {
					t.Error(err)
				}
				cancel()
			}
		})
	}
	wg.Wait()
}

// TestPlainFetchAllocates little: what a round of a thousand workers leaves to the collector.
func TestPlainFetchAllocates(t *testing.T) {
	answer := []byte("HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4\r\nX-Fedscrape-Worker: webapp-h-17-1\r\n" +
		"Content-Length: 100000\r\n\r\n" + strings.Repeat("x", 100_000))
	u := serveRaw(t, func(conn net.Conn, _ <-chan struct{}) {
		for buf := make([]byte, 4096); ; {
			_, err := conn.Write(answer)
			if _, rerr := conn.Read(buf); err != nil || rerr != nil {
				return
			}
		}
	})
	c := newPlainClient(t, nil)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	page, buf := 0, make([]byte, 64<<10)
	handle := func(r *Response) error {
		for page = 0; ; {
			n, err := r.Body.Read(buf)
			if page += n; err == io.EOF {
				return nil
			} else if err != nil {
				return err
			}
		}
	}
	allocs := testing.AllocsPerRun(50, func() {
		if err := c.Fetch(ctx, u, 0, handle); err != nil || page != 100_000 {
			t.Errorf("%d bytes, error %v", page, err)
		}
	})
	c.Close()
	if allocs > maxAllocs {
		t.Errorf("%v allocations a fetch, want %v at most", allocs, maxAllocs)
	}
}

func TestParseSize(t *testing.T) {
	f := func(digits string, want int64, ok bool) {
		t.Helper()
		if got, err := parseSize([]byte(digits)); got != want || (err == nil) != ok {
			t.Errorf("%q: %d, %v", digits, got, err)
		}
	}
	f("0", 0, true)
	f("00000000000000Ff", 255, true)
	f("4000000000000000", 1<<62, true)
	f("4000000000000001", 0, false)
	f("8000000000000000", 0, false)
	f("ffffffffffffffff", 0, false)
	f("00000000000000000", 0, false)
	f("", 0, false)
	f("-1", 0, false)
	f("0x1", 0, false)
	f("g", 0, false)
	f("@", 0, false)
	f(" 1", 0, false)
}
