package scraper

import (
	"context"
	"net"
	"sync"
	"syscall"
	"time"
)

// sweepInterval is how often kept connections are looked at: those of workers that are gone would hold a file
// descriptor for the whole idleTimeout.
const sweepInterval = 15 * time.Second

// conn is a connection to a worker. It belongs to one exchange or to the pool.
type conn struct {
	net.Conn
	heard bool // something came since the last question
	kept  bool // it was asked before
	// contentType and worker are those of the last answer.
	contentType, worker string

	interrupt func()          // ends what is read or written
	watched   <-chan struct{} // when it is closed, the connection is interrupted; nil: never
	unwatch   func() bool     // ends that; false: too late
	raw       syscall.RawConn // nil where there is no file descriptor

	turn   func(fd uintptr) (done bool)
	asking asking
	long   bool // the last answer wanted a long piece, as the next one will
}

func newConn(dialed net.Conn) *conn {
	c := &conn{Conn: dialed}
	c.interrupt = func() { _ = dialed.SetDeadline(time.Unix(1, 0)) }
	c.turn = c.takeTurn
	if s, ok := dialed.(syscall.Conn); ok {
		c.raw, _ = s.SyscallConn() // without it the next question finds out
	}
	return c
}

// watch lets the end of the context interrupt the connection, be it asked or idle, until it is closed or asked in another
// context. Round after round has the same one, and a watch of its own each time costs as much as to read some hundred lines.
// False: it may be interrupted any moment, by the end of the last one.
func (c *conn) watch(ctx context.Context) bool {
	done := ctx.Done()
	if done == c.watched {
		return true
	}
	if c.watched != nil && !c.unwatch() {
		return false
	}
	if c.watched = done; done != nil {
		c.unwatch = context.AfterFunc(ctx, c.interrupt)
	}
	return true
}

// interrupted tells whether the watched context has ended.
func (c *conn) interrupted() bool {
	select {
	case <-c.watched:
		return true
	default:
		return false
	}
}

// Close ends the watch too.
func (c *conn) Close() error {
	if c.watched != nil {
		c.unwatch()
	}
	return c.Conn.Close()
}

func (c *conn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.heard = c.heard || n > 0
	return n, err
}

// quiet tells whether the worker has neither closed the connection nor sent what nobody asked for: what comes next on
// it would be taken for the answer.
func (c *conn) quiet() bool {
	if c.raw == nil {
		return true
	}
	still := false
	err := c.raw.Control(func(fd uintptr) { still = isStill(fd) })
	return err == nil && still
}

// pool keeps targets, with one connection each, until nobody has asked for idleTimeout. Its one timer runs while it
// keeps anything; close waits for it.
type pool struct {
	mu      sync.Mutex
	targets map[string]*target // by URL
	timer   *time.Timer
	sweeps  sync.WaitGroup
	closed  bool
}

func (p *pool) target(url string) *target {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.targets[url]
}

// add keeps a target, and gives the one that is kept already where somebody was faster.
func (p *pool) add(t *target) *target {
	p.mu.Lock()
	defer p.mu.Unlock()
	if other := p.targets[t.url]; other != nil || p.closed {
		if other != nil {
			return other
		}
		return t
	}
	if p.targets == nil {
		p.targets = map[string]*target{}
	}
	t.used = time.Now()
	p.targets[t.url] = t
	p.schedule()
	return t
}

// take gives the target's connection, if it is there, to be asked in the context. Whether it is good is seen when it is asked.
func (p *pool) take(ctx context.Context, t *target) *conn {
	p.mu.Lock()
	c := t.idle
	t.idle = nil
	p.mu.Unlock()
	if c == nil || c.watch(ctx) {
		return c
	}
	_ = c.Close()
	return nil
}

// put keeps the connection for the next scrape of the target. One is enough: rounds ask a worker once at a time.
func (p *pool) put(t *target, c *conn) {
	p.mu.Lock()
	if c.kept = t.idle == nil && p.targets[t.url] == t; c.kept {
		t.idle, t.used = c, time.Now()
	}
	p.mu.Unlock()
	if !c.kept {
		_ = c.Close()
	}
}

// schedule sees to it that what is kept is looked at. p is locked.
func (p *pool) schedule() {
	if p.timer == nil && len(p.targets) > 0 && !p.closed {
		p.sweeps.Add(1)
		p.timer = time.AfterFunc(sweepInterval, p.sweep)
	}
}

// sweep lets go what nobody has used for long, and connections that workers have closed.
func (p *pool) sweep() {
	defer p.sweeps.Done()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.letGo(time.Now())
	p.timer = nil
	p.schedule()
}

func (p *pool) letGo(now time.Time) {
	for url, t := range p.targets {
		old := now.Sub(t.used) >= idleTimeout
		if t.idle != nil && (old || !t.idle.quiet()) {
			_ = t.idle.Close()
			t.idle = nil
		}
		if old {
			delete(p.targets, url)
		}
	}
}

// close lets everything go, and keeps nothing from now on.
func (p *pool) close() {
	p.mu.Lock()
	p.closed = true
	for _, t := range p.targets {
		if t.idle != nil {
			_ = t.idle.Close()
			t.idle = nil
		}
	}
	p.targets = nil
	if p.timer != nil && p.timer.Stop() {
		p.sweeps.Done()
	}
	p.timer = nil
	p.mu.Unlock()
	p.sweeps.Wait()
}
