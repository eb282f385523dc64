package scraper

import (
	"bufio"
	"context"
	"io"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// phases are where a scrape can hang: the server has sent what it will send.
var phases = []struct{ name, sent, missing string }{
	{"dial", "", "no answer"},
	{"request", "", "no answer"},
	{"first line", "HTTP/1", "no answer"},
	{"headers", "HTTP/1.1 200 OK\r\nA: b\r\n", "no answer"},
	{"after 1xx", "HTTP/1.1 100 Continue\r\n\r\n", "no answer"},
	{"body", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nab", "body not complete"},
	{"body until closed", "HTTP/1.1 200 OK\r\n\r\nab", "body not complete"},
	{"chunk size", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1", "body not complete"},
	{"chunk", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nab", "body not complete"},
	{"end of chunk", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r", "body not complete"},
	{"trailer", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nA: b\r\n", "body not complete"},
	{"page's end, not the body's", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nab", "body not complete"},
}

// TestPlainEndsInEachPhase by its deadline, and as soon as the caller gives up, and leaves no connection open.
func TestPlainEndsInEachPhase(t *testing.T) {
	for _, phase := range phases {
		hang := func(conn net.Conn, quit <-chan struct{}) {
			if phase.name == "request" { // nobody reads it
				<-quit
			} else if _, err := readQuestion(bufio.NewReader(conn)); err == nil {
				_, _ = io.WriteString(conn, phase.sent)
			}
			<-quit
		}
		t.Run(phase.name+" deadline", func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				testHang(t, phase.name, hang, 0, 10*time.Second, phase.missing+" within 10s (scrape_timeout)")
			})
		})
		t.Run(phase.name+" given up", func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				testHang(t, phase.name, hang, time.Second, time.Second, phase.missing+" before the scrape was given up: context canceled")
			})
		})
	}
}

func testHang(t *testing.T, phase string, hang func(net.Conn, <-chan struct{}), giveUp, took time.Duration, text string) {
	t.Helper()
	quit := make(chan struct{})
	p := &pipes{talk: func(conn net.Conn) { hang(conn, quit) }}
	c := newPlainClient(t, nil)
	c.plain.dial = p.dial
	if phase == "dial" {
		c.plain.dial = func(ctx context.Context, _, _ string) (net.Conn, error) { <-ctx.Done(); return nil, ctx.Err() }
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	if giveUp > 0 {
		time.AfterFunc(giveUp, cancel)
	}
	begun := time.Now()
	err := c.Fetch(ctx, "http://worker/", 0, func(r *Response) error {
		if strings.HasPrefix(phase, "page's end") {
			_, err := io.ReadFull(r.Body, make([]byte, 2))
			return err
		}
		_, err := r.CopyTo(io.Discard)
		return err
	})
	f(t, err, ResultTimeout, text)
	if time.Since(begun) != took || p.open.Load() != 0 {
		t.Errorf("took %v, %d connections open", time.Since(begun), p.open.Load())
	}
	close(quit)
	p.group.Wait()
}

// TestPlainHandsOutWhatIsThere: the page is read while it arrives, also where what follows a piece is not there yet.
func TestPlainHandsOutWhatIsThere(t *testing.T) {
	const chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
	for _, answer := range []string{
		"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nab" + later + "cd",
		"HTTP/1.1 200 OK\r\n\r\nab" + later + "cd",
		chunked + "4\r\nab" + later + "cd\r\n0\r\n\r\n",
		chunked + "2\r\nab" + later + "\r\n2\r\ncd\r\n0\r\n\r\n",
		chunked + "2\r\nab\r" + later + "\n2\r\ncd\r\n0\r\n\r\n",
		chunked + "2\r\nab\r\n" + later + "2\r\ncd\r\n0\r\n\r\n",
		chunked + "2\r\nab\r\n2" + later + "\r\ncd\r\n0\r\n\r\n",
		chunked + "1\r\na\r\n1\r\nb\r\n" + later + "2\r\ncd\r\n0\r\n\r\n",
	} {
		synctest.Test(t, func(t *testing.T) {
			s := &scripted{answers: []string{answer}, send: make(chan struct{}), done: make(chan struct{}, 1)}
			p := &pipes{talk: s.talk}
			c := newPlainClient(t, nil)
			c.plain.dial = p.dial
			err := c.Fetch(t.Context(), "http://worker/", 0, func(r *Response) error {
				b := make([]byte, 9)
				n, err := r.Body.Read(b)
				close(s.send)
				if err != nil || string(b[:n]) != "ab" {
					t.Errorf("%q: got %q first, error %v", answer, b[:n], err)
				}
				rest, err := io.ReadAll(r.Body)
				if string(rest) != "cd" {
					t.Errorf("%q: got %q then", answer, rest)
				}
				return err
			})
			if err != nil {
				t.Errorf("%q: %v", answer, err)
			}
			c.Close()
			p.group.Wait()
		})
	}
}

// TestPlainGivenUpBefore it begins: nothing is asked.
func TestPlainGivenUpBefore(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	c := newPlainClient(t, nil)
	c.plain.dial = func(context.Context, string, string) (net.Conn, error) { t.Error("dialed"); return nil, io.EOF }
	err := c.Fetch(ctx, "http://worker/", 0, func(*Response) error { return nil })
	f(t, err, ResultTimeout, "no answer before the scrape was given up: context canceled")
}

// TestPlainGivenUpAtTheEnd: a scrape that is given up when its page is complete leaves no connection: it may be cut any
// moment, within the next scrape.
func TestPlainGivenUpAtTheEnd(t *testing.T) {
	p := &pipes{talk: answering(pageA)}
	c := newPlainClient(t, nil)
	c.plain.dial = p.dial
	for range 200 {
		ctx, cancel := context.WithCancel(t.Context())
		err := c.Fetch(ctx, "http://worker/", 0, func(r *Response) error {
			_, err := io.ReadAll(r.Body)
			cancel()
			return err
		})
		if err != nil || p.open.Load() != 0 {
			t.Fatalf("%d connections open, error %v", p.open.Load(), err)
		}
		if _, _, err := get(c, "http://worker/", 0); err != nil {
			t.Fatal(err)
		}
	}
	c.Close()
	p.group.Wait()
}
