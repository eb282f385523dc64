package scraper

import (
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"strings"
)

// maxRest is how much may follow what the handler read for the connection to be used again.
const maxRest = 4096

// body is an answer's body as the handler reads it. Its first error stays, so that a reader which looks away once
// cannot take half a page for a whole one.
type body struct {
	r   io.Reader
	err error

	wire wire
	sent limited

	length int64     // as told; 0: not known
	told   *exchange // that it comes from as it is, if its length was told
}

func (b *body) Read(p []byte) (int, error) {
	if b.err != nil {
		return 0, b.err
	}
	n, err := b.r.Read(p)
	b.err = err
	return n, err
}

// finish looks for the end of the body, so that net/http keeps the connection, and tells what cut it short where the
// handler did not get to know or did not mind.
func (b *body) finish() error {
	if b.err == nil {
		_, _ = io.CopyN(io.Discard, b, maxRest) // its error stays in b
	}
	if e, ok := errors.AsType[*Error](b.err); ok {
		return e
	}
	return nil
}

// newBody puts the limits around a body: as sent, decoded, and in time.
func (c *Client) newBody(ctx context.Context, limit deadline, a *answer) (*body, error) {
	size := c.options.BodySizeLimit
	if size > 0 && a.length > int64(size) {
		return nil, tooLarge(size, "")
	}
	b := &body{wire: wire{ctx, limit, a.body}}
	b.sent = newLimited(&b.wire, size, "")
	b.r = &b.sent
	switch encoding := strings.ToLower(strings.TrimSpace(a.encoding)); encoding {
	case "", "identity":
		b.length = max(a.length, 0)
		if x, ok := a.body.(*exchange); ok && x.isTold() {
			b.told = x // no more comes than is allowed
		}
		return b, nil
	case "gzip", "x-gzip":
		decoded := newLimited(&gunzip{sent: &b.sent}, size, " decoded")
		b.r = &decoded
		return b, nil
	default:
		return nil, &Error{ResultParse, fmt.Errorf("body has Content-Encoding %q, which was not asked for", shorten(encoding))}
	}
}

// wire reads the connection and puts its errors into words.
type wire struct {
	ctx   context.Context
	limit deadline
	r     io.Reader
}

func (w *wire) Read(p []byte) (int, error) {
	n, err := w.r.Read(p)
	return n, w.inWords(err)
}

func (w *wire) inWords(err error) error {
	if err == nil || isEnd(err) {
		return err
	}
	// Half a page is a bad page of a worker that is there, not a refusal.
	return failure(w.ctx, w.limit, "body not complete", ResultParse, err)
}

// isEnd tells a reader's end, which is io.EOF itself, from a cause that wraps it.
func isEnd(err error) bool { return err == io.EOF } //nolint:errorlint // as said

// limited fails once more than size bytes came. Nothing over the limit is passed on.
type limited struct {
	r    io.Reader
	left int64
	size Bytes
	what string
}

func newLimited(r io.Reader, size Bytes, what string) limited {
	if size == 0 {
		return limited{r: r, left: math.MaxInt64 - 1}
	}
	return limited{r, int64(size), size, what}
}

func tooLarge(size Bytes, what string) *Error {
	return &Error{ResultTooLarge, fmt.Errorf("body%s larger than body_size_limit (%v)", what, size)}
}

func (l *limited) Read(p []byte) (int, error) {
	// One byte more than is left tells a body that is too large from one that just fits.
	if int64(len(p)) > l.left+1 {
		p = p[:l.left+1]
	}
	n, err := l.r.Read(p)
	if int64(n) > l.left {
		return int(l.left), tooLarge(l.size, l.what)
	}
	l.left -= int64(n)
	return n, err
}

// gunzip decodes; a body that is no gzip is the page's fault, a connection that broke is not.
type gunzip struct {
	sent io.Reader
	gz   *gzip.Reader
}

func (g *gunzip) Read(p []byte) (n int, err error) {
	if g.gz == nil {
		if g.gz, err = gzip.NewReader(g.sent); err != nil {
			return 0, gunzipError(err)
		}
	}
	n, err = g.gz.Read(p)
	if err == nil || isEnd(err) {
		return n, err
	}
	return n, gunzipError(err)
}

func gunzipError(err error) *Error {
	if e, ok := errors.AsType[*Error](err); ok {
		return e
	}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return &Error{ResultParse, errors.New("gzip body ends too early")}
	}
	return &Error{ResultParse, fmt.Errorf("decode gzip body: %w", err)}
}
