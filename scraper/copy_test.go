package scraper

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
)

// piecewise is a writer that remembers how the pieces came, and refuses the one after some bytes.
type piecewise struct {
	got    bytes.Buffer
	sizes  []int
	refuse int // bytes; 0: never
}

var errRefused = errors.New("bad line")

func (p *piecewise) Write(b []byte) (int, error) {
	if p.refuse > 0 && p.got.Len() >= p.refuse {
		return 0, errRefused
	}
	p.sizes = append(p.sizes, len(b))
	return p.got.Write(b)
}

var longPage = []byte(strings.Repeat("reqs_total{code=\"200\"} 1\n", 12_000))

// answersWith answers each question on a connection with the same.
func answersWith(t *testing.T, answer string) (url string) {
	t.Helper()
	return serveRaw(t, func(conn net.Conn, _ <-chan struct{}) {
		for buf := make([]byte, 4096); ; {
			_, err := conn.Write([]byte(answer))
			if _, rerr := conn.Read(buf); err != nil || rerr != nil {
				return
			}
		}
	})
}

func toldAnswer(page []byte) string {
	return fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(page), page)
}

func TestCopyTo(t *testing.T) { overClients(t, testCopyTo) }

func testCopyTo(t *testing.T, newClient maker) {
	packed := gzipped(longPage)
	half := len(longPage) / 2
	for name, answer := range map[string]string{
		"told":         toldAnswer(longPage),
		"chunked":      fmt.Sprintf("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n%x\r\n%s\r\n0\r\n\r\n", half, longPage[:half], len(longPage)-half, longPage[half:]),
		"compressed":   fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n%s", len(packed), packed),
		"until closed": "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + string(longPage),
	} {
		t.Run(name, func(t *testing.T) {
			u := answersWith(t, answer)
			if name == "until closed" {
				u = raw(t, answer)
			}
			c := newClient(t, nil)
			defer c.Close()
			for range 3 {
				w := &piecewise{}
				err := c.Fetch(context.Background(), u, 0, func(r *Response) error {
					n, err := r.CopyTo(w)
					if n != int64(len(longPage)) {
						t.Errorf("%d bytes read, want %d", n, len(longPage))
					}
					if n, again := r.CopyTo(w); n != 0 || again != nil {
						t.Errorf("at the end %d bytes more, error %v", n, again)
					}
					return err
				})
				if err != nil || !bytes.Equal(w.got.Bytes(), longPage) {
					t.Fatalf("%d bytes copied, want %d; error %v", w.got.Len(), len(longPage), err)
				}
			}
		})
	}
}

// TestCopyToRefused: what was read counts, also where the page is bad, and the connection is not kept.
func TestCopyToRefused(t *testing.T) { overClients(t, testCopyToRefused) }

func testCopyToRefused(t *testing.T, newClient maker) {
	c := newClient(t, nil)
	defer c.Close()
	u := answersWith(t, toldAnswer(longPage))
	w := &piecewise{refuse: 100_000}
	var n int64
	err := c.Fetch(context.Background(), u, 0, func(r *Response) (err error) {
		n, err = r.CopyTo(w)
		return err
	})
	if !errors.Is(err, errRefused) || n <= int64(w.got.Len()) || n == int64(len(longPage)) {
		t.Errorf("%d bytes read, %d taken, error %v", n, w.got.Len(), err)
	}
	if page, _, err := get(c, u, 0); err != nil || page != string(longPage) {
		t.Errorf("then %d bytes, error %v", len(page), err)
	}
}

// TestCopyToCut: an answer that ends too early is no page.
func TestCopyToCut(t *testing.T) { overClients(t, testCopyToCut) }

func testCopyToCut(t *testing.T, newClient maker) {
	answer := toldAnswer(longPage)
	u := raw(t, answer[:len(answer)-1])
	err := newClient(t, nil).Fetch(context.Background(), u, 0, func(r *Response) error {
		n, err := r.CopyTo(&piecewise{})
		if n != int64(len(longPage)-1) {
			t.Errorf("%d bytes read", n)
		}
		if _, again := r.CopyTo(&piecewise{}); again == nil || again.Error() != err.Error() {
			t.Errorf("once more: error %v", again)
		}
		return nil // a handler that does not mind
	})
	f(t, err, ResultParse, "connection closed too early")
}

// TestNextTakesALongPiece where a body does not fit into the short one that its answer began in.
func TestNextTakesALongPiece(t *testing.T) {
	x := &exchange{}
	x.source.open(strings.NewReader(toldAnswer(longPage)), shortPieces.get(), 0)
	defer x.source.close()
	if err := x.source.readHead(&x.head); err != nil {
		t.Fatal(err)
	}
	x.ready()
	var sizes []int
	for {
		piece, err := x.next()
		if sizes = append(sizes, len(piece)); err != nil {
			break
		}
	}
	if len(sizes) < 3 || sizes[0] > shortSize || sizes[1] != pieceSize || sizes[2] != pieceSize {
		t.Errorf("pieces of %v", sizes)
	}
}

// TestWiden takes another piece only where it is needed, and gives the old one back.
func TestWiden(t *testing.T) {
	s := &source{}
	s.open(strings.NewReader(""), shortPieces.get(), 0)
	free := len(shortPieces.free)
	if s.widen(shortSize); len(s.buf) != shortSize {
		t.Errorf("what fits is read into a piece of %d", len(s.buf))
	}
	if s.widen(shortSize + 1); len(s.buf) != pieceSize || len(shortPieces.free) != free+1 {
		t.Errorf("what does not fit is read into a piece of %d; %d short ones are free, want %d", len(s.buf), len(shortPieces.free), free+1)
	}
	free = len(pieces.free)
	if s.close(); len(pieces.free) != free+1 {
		t.Errorf("%d long pieces are free, want %d", len(pieces.free), free+1)
	}
}

// TestPlainKnowsHowLongAnswersAre: the next one begins in a piece that fits.
func TestPlainKnowsHowLongAnswersAre(t *testing.T) {
	for name, tt := range map[string]struct {
		answer string
		long   bool
	}{
		"long":    {toldAnswer(longPage), true},
		"short":   {toldAnswer(longPage[:shortSize-usualHead]), false},
		"chunked": {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nup 1\n\r\n0\r\n\r\n", true},
	} {
		c, u := newPlainClient(t, nil), answersWith(t, tt.answer)
		for range 2 {
			if _, _, err := get(c, u, 0); err != nil {
				t.Fatal(err)
			}
			if kept := c.plain.idle.target(u).idle; kept == nil || kept.long != tt.long {
				t.Errorf("%s: kept %v", name, kept)
			}
		}
		c.Close()
	}
}
