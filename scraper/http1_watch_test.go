package scraper

import (
	"bufio"
	"context"
	"io"
	"net"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// watchedContext counts who watches over it.
type watchedContext struct {
	context.Context
	watches, set atomic.Int32 // now, and ever
}

// Value hides what is below, for which nobody would ask AfterFunc.
func (c *watchedContext) Value(any) any { return nil }

func (c *watchedContext) AfterFunc(f func()) func() bool {
	c.watches.Add(1)
	c.set.Add(1)
	stop := context.AfterFunc(c.Context, f)
	return func() bool {
		stopped := stop()
		if stopped {
			c.watches.Add(-1)
		}
		return stopped
	}
}

// watchWorld has a client and a worker, whose answers hang where it is told to.
type watchWorld struct {
	*pipes
	client *Client
	hang   atomic.Bool
}

func inWatchWorld(t *testing.T, test func(t *testing.T, w *watchWorld)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := &watchWorld{client: newPlainClient(t, nil)}
		w.pipes = &pipes{talk: w.talk}
		w.client.plain.dial = w.dial
		test(t, w)
		w.client.Close()
		w.group.Wait()
		if n := w.open.Load(); n != 0 {
			t.Errorf("%d connections open", n)
		}
	})
}

func (w *watchWorld) talk(conn net.Conn) {
	for r := bufio.NewReader(conn); ; {
		if _, err := readQuestion(r); err != nil {
			return
		}
		page := "ab"
		if w.hang.Load() {
			page = "a"
		}
		_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n"+page)
	}
}

func (w *watchWorld) fetch(ctx context.Context) error {
	return w.client.Fetch(ctx, "http://worker/", 0, func(r *Response) error {
		_, err := io.ReadAll(r.Body)
		return err
	})
}

// hangs has a question without an answer, which is given up after a second.
func (w *watchWorld) hangs(t *testing.T, ctx context.Context) {
	t.Helper()
	w.hang.Store(true)
	begun := time.Now()
	f(t, w.fetch(ctx), ResultTimeout, "body not complete before the scrape was given up: context canceled")
	if took := time.Since(begun); took != time.Second {
		t.Errorf("took %v, want 1s", took)
	}
}

// TestPlainKeptConnectionIsWatched: it is interrupted by the end of the context that it is asked in, and of no other.
func TestPlainKeptConnectionIsWatched(t *testing.T) {
	for _, c := range []struct {
		name      string
		same      bool // both questions are asked in one context
		endsFirst bool // the first context ends while the second question waits
	}{{"one context", true, false}, {"another", false, false}, {"another, while the first ends", false, true}} {
		t.Run(c.name, func(t *testing.T) {
			inWatchWorld(t, func(t *testing.T, w *watchWorld) {
				first, endFirst := context.WithCancel(t.Context())
				defer endFirst()
				second, endSecond := context.WithCancel(t.Context())
				defer endSecond()
				if c.same {
					second, endSecond = first, endFirst
				}
				if err := w.fetch(first); err != nil {
					t.Fatal(err)
				}
				if c.endsFirst {
					time.AfterFunc(time.Second/2, endFirst)
				}
				time.AfterFunc(time.Second, endSecond)
				w.hangs(t, second)
				if n := w.dials.Load(); n != 1 {
					t.Errorf("%d connections, want the kept one", n)
				}
			})
		})
	}
}

// heldConn is interrupted only when release is closed.
type heldConn struct {
	net.Conn
	release chan struct{}
}

func (c *heldConn) SetDeadline(at time.Time) error {
	if at.Before(time.Now()) {
		<-c.release
	}
	return c.Conn.SetDeadline(at)
}

// TestPlainContextEndsWhileIdle: the connection is not asked in another context, it may be interrupted at any time.
func TestPlainContextEndsWhileIdle(t *testing.T) {
	inWatchWorld(t, func(t *testing.T, w *watchWorld) {
		release := make(chan struct{})
		w.client.plain.dial = func(ctx context.Context, network, address string) (net.Conn, error) {
			conn, err := w.dial(ctx, network, address)
			return &heldConn{conn, release}, err
		}
		ctx, cancel := context.WithCancel(t.Context())
		if err := w.fetch(ctx); err != nil {
			t.Fatal(err)
		}
		cancel()
		err := w.client.Fetch(t.Context(), "http://worker/", 0, func(r *Response) error {
			close(release)
			synctest.Wait()
			_, err := io.ReadAll(r.Body)
			return err
		})
		if dials, open := w.dials.Load(), w.open.Load(); err != nil || dials != 2 || open != 1 {
			t.Errorf("%d connections, %d of them open, error %v; want 2, 1 and none", dials, open, err)
		}
	})
}

// TestPlainWatchesOnce: one watch a connection, which ends with it.
func TestPlainWatchesOnce(t *testing.T) {
	inWatchWorld(t, func(t *testing.T, w *watchWorld) {
		ended, cancel := context.WithCancel(t.Context())
		defer cancel()
		ctx := &watchedContext{Context: ended}
		for range 3 {
			if err := w.fetch(ctx); err != nil {
				t.Fatal(err)
			}
		}
		if now, ever := ctx.watches.Load(), ctx.set.Load(); now != 1 || ever != 2 {
			t.Errorf("%d watches, %d were set up; want 1, and 2 with that of the dial", now, ever)
		}
		w.client.Close()
		if n := ctx.watches.Load(); n != 0 {
			t.Errorf("%d watches are left over a connection that is closed", n)
		}
	})
}

// lateConn ends the context right before the deadline of its second question is set.
type lateConn struct {
	net.Conn
	cancel func()
	asked  int
}

func (c *lateConn) SetDeadline(at time.Time) error {
	if at.After(time.Now()) {
		if c.asked++; c.asked == 2 {
			c.cancel()
			synctest.Wait() // for who interrupts
		}
	}
	return c.Conn.SetDeadline(at)
}

// TestPlainGivenUpBeforeTheDeadline: what sets the deadline must not undo the interruption.
func TestPlainGivenUpBeforeTheDeadline(t *testing.T) {
	inWatchWorld(t, func(t *testing.T, w *watchWorld) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		w.client.plain.dial = func(ctx context.Context, network, address string) (net.Conn, error) {
			conn, err := w.dial(ctx, network, address)
			return &lateConn{Conn: conn, cancel: cancel}, err
		}
		if err := w.fetch(ctx); err != nil {
			t.Fatal(err)
		}
		begun := time.Now()
		f(t, w.fetch(ctx), ResultTimeout, "no answer before the scrape was given up: context canceled")
		if took := time.Since(begun); took != 0 {
			t.Errorf("took %v", took)
		}
	})
}
