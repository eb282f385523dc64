package scraper

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"syscall"
	"time"
)

// maxReason bounds what a worker can bring into an error: net/http quotes a malformed answer in full.
const maxReason = 200

// deadline is how long a scrape may take, whose limit that is, and when it ends.
type deadline struct {
	timeout time.Duration
	whose   string
	end     time.Time
}

func (c *Client) deadline(timeout time.Duration) deadline {
	own := time.Duration(c.options.ScrapeTimeout)
	if timeout > 0 && timeout < own {
		return deadline{timeout, "scrape_timeout of the Prometheus that asked", time.Now().Add(timeout)}
	}
	return deadline{own, "scrape_timeout", time.Now().Add(own)}
}

func (d deadline) passed() bool { return !time.Now().Before(d.end) }

// failure says why a request or its body did not go through. missing is what the deadline cut; broken is the result
// where the connection failed. Only where nobody listens the cause is syscall.ECONNREFUSED: such a worker is gone.
func failure(ctx context.Context, limit deadline, missing string, broken Result, err error) *Error {
	if e, ok := errors.AsType[*Error](err); ok {
		return e
	}
	switch {
	case limit.passed():
		return &Error{ResultTimeout, fmt.Errorf("%s within %v (%s)", missing, limit.timeout, limit.whose)}
	case ctx.Err() != nil:
		return &Error{ResultTimeout, fmt.Errorf("%s before the scrape was given up: %w", missing, ctx.Err())}
	case strings.Contains(err.Error(), "server response headers exceeded"): // net/http exports no error for it
		return &Error{ResultTooLarge, errors.New("headers larger than 10MB")}
	default:
		text := shorten(reason(err))
		if text == syscall.ECONNREFUSED.Error() {
			return &Error{broken, syscall.ECONNREFUSED}
		}
		return &Error{broken, errors.New(text)}
	}
}

// reason tells err without the addresses and URLs that net and net/http put around it.
func reason(err error) string {
	if e, ok := errors.AsType[*url.Error](err); ok {
		return reason(e.Err)
	}
	if e, ok := errors.AsType[*net.OpError](err); ok && e.Op == "proxyconnect" {
		return "proxy: " + reason(e.Err)
	}
	if e, ok := errors.AsType[*net.DNSError](err); ok {
		return "look up the host: " + e.Err
	}
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return syscall.ECONNREFUSED.Error()
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "connection closed too early"
	case errors.Is(err, os.ErrDeadlineExceeded):
		return "connection timed out"
	}
	if e, ok := errors.AsType[*os.SyscallError](err); ok {
		return e.Err.Error()
	}
	if e, ok := errors.AsType[*net.OpError](err); ok {
		return reason(e.Err)
	}
	return strings.TrimPrefix(err.Error(), "net/http: HTTP/1.x transport connection broken: ")
}

func shorten(s string) string {
	if len(s) <= maxReason {
		return s
	}
	return strings.ToValidUTF8(s[:maxReason], "") + "..."
}

// checkStatus takes 200 alone. The worker's own reason phrase is not shown, it may be anything.
func checkStatus(code int) error {
	if code == http.StatusOK {
		return nil
	}
	hint := ""
	switch {
	case code >= 300 && code < 400:
		hint = " (a redirect; follow_redirects: true follows it)"
	case code == http.StatusUnauthorized, code == http.StatusForbidden:
		hint = " (basic_auth, authorization and tls_config say who asks)"
	}
	text := strings.TrimSpace(fmt.Sprintf("%d %s", code, http.StatusText(code)))
	return &Error{ResultHTTPStatus, fmt.Errorf("server returned HTTP status %s%s", text, hint)}
}
