package scraper

import (
	"bufio"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// What scripted's answers are made of.
const (
	pageA = "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\na"
	pageB = "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nb"
	then  = "\x00" // to the next request
	later = "\x01" // when the test says so
)

// scripted is a server each of whose connections gives the next answers; an empty one closes it.
type scripted struct {
	answers []string // by connection
	conns   atomic.Int32
	send    chan struct{}
	done    chan struct{}
}

func (s *scripted) talk(conn net.Conn) {
	n := int(s.conns.Add(1)) - 1
	if n >= len(s.answers) {
		return
	}
	r := bufio.NewReader(conn)
	for answer := range strings.SplitSeq(s.answers[n], then) {
		if _, err := readQuestion(r); err != nil || answer == "" {
			return
		}
		now, after, two := strings.Cut(answer, later)
		_, _ = io.WriteString(conn, now)
		if two {
			<-s.send
			_, _ = io.WriteString(conn, after)
			if after == "" {
				_ = conn.Close()
			}
			s.done <- struct{}{}
		}
	}
}

func listen(t *testing.T, talk func(net.Conn)) (url string) {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() { defer func() { _ = conn.Close() }(); talk(conn) })
		}
	})
	t.Cleanup(func() { _ = l.Close(); wg.Wait() })
	return "http://" + l.Addr().String()
}

func TestFetchAsksAgainWhereTheKeptConnectionIsGone(t *testing.T) {
	overClients(t, testFetchAsksAgainWhereTheKeptConnectionIsGone)
}

func testFetchAsksAgainWhereTheKeptConnectionIsGone(t *testing.T, newClient maker) {
	for _, tt := range []struct {
		name    string
		answers []string
		page    string // of the second scrape
		err     string
		conns   int32
	}{
		{"closed when asked again", []string{pageA + then, pageB}, "b", "", 2},
		{"closed when asked again, new one too", []string{pageA + then, ""}, "", "connection closed too early", 2},
		{"closed within the answer", []string{pageA + then + "HTTP/1.1 200", pageB}, "", "connection closed too early", 1},
		{"another answer", []string{pageA + then + pageB}, "b", "", 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := &scripted{answers: tt.answers}
			c := newClient(t, nil)
			u := listen(t, s.talk)
			if page, _, err := get(c, u, 0); err != nil || page != "a" {
				t.Fatalf("page %q, error %v", page, err)
			}
			page, _, err := get(c, u, 0)
			if page != tt.page || (err == nil) != (tt.err == "") || err != nil && err.Error() != tt.err {
				t.Errorf("page %q, error %v", page, err)
			}
			if s.conns.Load() != tt.conns {
				t.Errorf("%d connections, want %d", s.conns.Load(), tt.conns)
			}
			c.Close()
		})
	}
}

// TestPlainLooksAtAKeptConnection: what a worker sent unasked, or that it closed, is known before the next question.
func TestPlainLooksAtAKeptConnection(t *testing.T) {
	for name, after := range map[string]string{
		"closed": "", "408": "HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n", "another page": pageA,
	} {
		t.Run(name, func(t *testing.T) {
			s := &scripted{answers: []string{pageA + later + after + then + pageA, pageB}, send: make(chan struct{}), done: make(chan struct{})}
			c := newPlainClient(t, nil)
			u := listen(t, s.talk)
			if page, _, err := get(c, u, 0); err != nil || page != "a" {
				t.Fatalf("page %q, error %v", page, err)
			}
			close(s.send)
			wait(t, s.done)
			target := c.plain.idle.target(u)
			for deadline := time.Now().Add(time.Minute); kept(c, target); {
				c.plain.idle.mu.Lock()
				c.plain.idle.letGo(time.Now())
				c.plain.idle.mu.Unlock()
				if time.Now().After(deadline) {
					t.Fatal("the sweep keeps it")
				}
			}
			if page, _, err := get(c, u, 0); err != nil || page != "b" {
				t.Errorf("page %q, error %v", page, err)
			}
			c.Close()
		})
	}
}

func wait(t *testing.T, done <-chan struct{}) {
	t.Helper()
	select {
	case <-done:
	case <-time.After(time.Minute):
		t.Fatal("the server does not come to its end")
	}
}

// TestPlainTakesNoAnswerThatWasNotAskedFor is the same without a sweep in between.
func TestPlainTakesNoAnswerThatWasNotAskedFor(t *testing.T) {
	s := &scripted{answers: []string{pageA + later + pageA + then + pageA, pageB}, send: make(chan struct{}), done: make(chan struct{})}
	c := newPlainClient(t, nil)
	u := listen(t, s.talk)
	if page, _, err := get(c, u, 0); err != nil || page != "a" {
		t.Fatalf("page %q, error %v", page, err)
	}
	close(s.send)
	wait(t, s.done)
	idle := c.plain.idle.target(u).idle
	for deadline := time.Now().Add(time.Minute); !readable(t, idle); {
		if time.Now().After(deadline) {
			t.Fatal("nothing arrived")
		}
	}
	if page, _, err := get(c, u, 0); err != nil || page != "b" {
		t.Errorf("page %q, error %v", page, err)
	}
	c.Close()
}

// readable looks without taking anything, unlike quiet.
func readable(t *testing.T, c *conn) (yes bool) {
	t.Helper()
	err := c.raw.Control(func(fd uintptr) {
		n, _, err := syscall.Recvfrom(int(fd), make([]byte, 1), syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
		yes = err == nil && n == 1
	})
	if err != nil {
		t.Fatal(err)
	}
	return yes
}

func kept(c *Client, t *target) bool {
	c.plain.idle.mu.Lock()
	defer c.plain.idle.mu.Unlock()
	return t.idle != nil
}

// answering answers every request with text.
func answering(text string) func(net.Conn) {
	return func(conn net.Conn) {
		for r := bufio.NewReader(conn); ; {
			if _, err := readQuestion(r); err != nil {
				return
			}
			if _, err := io.WriteString(conn, text); err != nil {
				return
			}
		}
	}
}

func TestPlainLetsGoAfterTheIdleTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &pipes{talk: answering(pageA)}
		c := newPlainClient(t, nil)
		c.plain.dial = p.dial
		fetch := func(url string) {
			t.Helper()
			if _, _, err := get(c, url, 0); err != nil {
				t.Fatal(err)
			}
		}
		fetch("http://gone/")
		for range 4 { // longer than idleTimeout in all
			fetch("http://here/")
			time.Sleep(2 * time.Minute)
		}
		if c.plain.idle.target("http://gone/") != nil || p.dials.Load() != 2 || p.open.Load() != 1 {
			t.Errorf("%d dials, %d open", p.dials.Load(), p.open.Load())
		}
		time.Sleep(idleTimeout + sweepInterval)
		synctest.Wait()
		if c.plain.idle.timer != nil || len(c.plain.idle.targets) != 0 || p.open.Load() != 0 {
			t.Errorf("%d targets, %d open, timer %v", len(c.plain.idle.targets), p.open.Load(), c.plain.idle.timer)
		}
		fetch("http://here/") // begins anew
		if p.dials.Load() != 3 || c.plain.idle.timer == nil {
			t.Errorf("%d dials", p.dials.Load())
		}
		c.Close()
		p.group.Wait()
	})
}

// TestPlainCloseTouchesNoScrape: one that runs ends well, and nothing is kept after it.
func TestPlainCloseTouchesNoScrape(t *testing.T) {
	p := &pipes{talk: answering(pageA)}
	c := newPlainClient(t, nil)
	c.plain.dial = p.dial
	err := c.Fetch(t.Context(), "http://worker/", 0, func(r *Response) error {
		c.Close()
		b, err := io.ReadAll(r.Body)
		if string(b) != "a" {
			t.Errorf("page %q", b)
		}
		return err
	})
	if err != nil || p.open.Load() != 0 {
		t.Errorf("%d open, error %v", p.open.Load(), err)
	}
	if page, _, err := get(c, "http://worker/", 0); err != nil || page != "a" || p.open.Load() != 0 {
		t.Errorf("page %q, %d open, error %v", page, p.open.Load(), err)
	}
	c.Close()
	p.group.Wait()
}

// TestPlainOneConnectionIsKept of several scrapes of one target at once.
func TestPlainOneConnectionIsKept(t *testing.T) {
	p := &pipes{talk: answering(pageA)}
	c := newPlainClient(t, nil)
	c.plain.dial = p.dial
	err := c.Fetch(t.Context(), "http://worker/", 0, func(*Response) error {
		_, _, err := get(c, "http://worker/", 0)
		return err
	})
	if err != nil || p.dials.Load() != 2 || p.open.Load() != 1 {
		t.Errorf("%d dials, %d open, error %v", p.dials.Load(), p.open.Load(), err)
	}
	c.Close()
	p.group.Wait()
}
