package scraper

import (
	"context"
	"io"
	"net"
	"net/http"
	"time"
)

// plain is an HTTP/1.1 client for what most workers are: http, on this host or network, without anything between. Of
// net/http's client, two goroutines a connection and a copy of every body cost more than reading does. It asks and
// understands as net/http does, which a fuzz test holds it to; whatever net/http has beyond that stays with net/http.
// It has no goroutine of its own: the caller's deadline is the connection's. It is safe for concurrent use.
type plain struct {
	dial func(ctx context.Context, network, address string) (net.Conn, error)
	// request is what net/http would send.
	request func(ctx context.Context, url string, timeout time.Duration) (*http.Request, error)
	idle    pool
}

// ask sends the request and reads the answer's head. A kept connection that the worker closed meanwhile says nothing
// about the worker: then it is asked once more, on a new one.
func (p *plain) ask(ctx context.Context, t *target, limit deadline) (*exchange, error) {
	text, err := p.question(t, limit.timeout)
	if err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if c := p.idle.take(ctx, t); c != nil {
		x, err := p.askOn(t, c, limit, text)
		if err == nil || c.heard || ctx.Err() != nil || limit.passed() {
			return x, err
		}
	}
	c, err := p.connect(ctx, t.address, limit)
	if err != nil {
		return nil, err
	}
	return p.askOn(t, c, limit, text)
}

func (p *plain) askOn(t *target, c *conn, limit deadline, text []byte) (*exchange, error) {
	x := newExchange(p, t, c, limit)
	if err := x.start(text); err != nil {
		x.close()
		return nil, err
	}
	return x, nil
}

func (p *plain) connect(ctx context.Context, address string, limit deadline) (*conn, error) {
	limited, cancel := context.WithDeadline(ctx, limit.end)
	defer cancel()
	dialed, err := p.dial(limited, "tcp", address)
	if err != nil {
		return nil, err
	}
	c := newConn(dialed)
	c.watch(ctx)
	return c, nil
}

// usualHead is what a head takes at most, mostly.
const usualHead = 1 << 10

// exchange is one request and its answer. It belongs to one goroutine.
type exchange struct {
	owner  *plain
	target *target
	conn   *conn
	ended  bool // the body was read to its end

	source source
	head   head
	left   int64 // of a body whose length was told
	chunks chunks
}

// newExchange makes the scrape's end the connection's: nothing that is read or written waits longer. The connection watches
// over the context.
func newExchange(p *plain, t *target, c *conn, limit deadline) *exchange {
	x := &exchange{owner: p, target: t, conn: c}
	c.heard = false
	_ = c.SetDeadline(limit.end) // where it cannot be set, reading fails as well
	if c.interrupted() {
		c.interrupt() // again: it may have been before the deadline was set
	}
	return x
}

func (x *exchange) start(question []byte) error {
	piece, n, err := x.conn.ask(question)
	if err != nil {
		return err
	}
	x.source.open(x.conn, piece, n)
	if err := x.source.readHead(&x.head); err != nil {
		return err
	}
	x.ready()
	x.conn.long = x.head.length < 0 || x.head.length > shortSize-usualHead
	return nil
}

// ready makes the body readable, as the head says.
func (x *exchange) ready() {
	x.left = x.head.length
	x.chunks.source = &x.source
	x.ended = x.head.length == 0
}

// Read reads the body. It gives io.EOF at its end alone, together with the last bytes where that is known.
func (x *exchange) Read(p []byte) (n int, err error) {
	switch {
	case x.ended:
		return 0, io.EOF
	case x.head.chunked:
		n, err = x.chunks.Read(p)
	case x.head.length >= 0:
		n, err = x.readTold(p)
	default:
		n, err = x.source.Read(p)
	}
	x.ended = err == io.EOF //nolint:errorlint // the end itself, not a cause that wraps it
	return n, err
}

func (x *exchange) readTold(p []byte) (int, error) {
	if int64(len(p)) > x.left {
		p = p[:x.left]
	}
	n, err := x.source.Read(p)
	if x.left -= int64(n); x.left == 0 {
		return n, io.EOF
	}
	return n, cut(err)
}

// isTold tells whether the body's length was.
func (x *exchange) isTold() bool { return !x.head.chunked && x.head.length >= 0 }

// next gives the next piece of a body whose length was told, in the source's own buffer: it is good until the next call. As
// Read it gives io.EOF together with the last one.
func (x *exchange) next() ([]byte, error) {
	if x.ended {
		return nil, io.EOF
	}
	if x.source.empty() {
		x.source.widen(x.left)
		if err := x.source.fill(); err != nil {
			return nil, cut(err)
		}
	}
	p := x.source.take(x.left)
	if x.left -= int64(len(p)); x.left == 0 {
		x.ended = true
		return p, io.EOF
	}
	return p, nil
}

// close ends the exchange. The connection is kept where the answer was read to its end and nothing came after it.
func (x *exchange) close() {
	kept := x.ended && !x.head.close && x.source.empty() && !x.conn.interrupted()
	x.source.close()
	x.ended = true
	if !kept {
		_ = x.conn.Close()
		return
	}
	x.owner.idle.put(x.target, x.conn)
}

// answer tells what came, in words that outlive the buffer.
func (x *exchange) answer() answer {
	h, c := &x.head, x.conn
	a := answer{
		status:      h.status,
		contentType: again(&c.contentType, h.contentType.value),
		length:      h.length,
		told:        h.chunked || h.length >= 0,
		encoding:    string(h.contentEncoding.value),
		start:       startTime(string(h.start.value)),
		body:        x,
	}
	if len(h.worker.value) <= maxWorkerID {
		a.worker = again(&c.worker, h.worker.value)
	}
	return a
}

// again gives text as a string, the kept one where it says the same: a worker says the same each time.
func again(kept *string, text []byte) string {
	if *kept != string(text) {
		*kept = string(text)
	}
	return *kept
}
