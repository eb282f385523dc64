package scraper

import (
	"bytes"
	"context"
	"net"
	"net/http"
	"net/url"
	"reflect"
	"sync/atomic"
	"time"

	promconfig "github.com/prometheus/common/config"
)

// isPlain tells whether a job's options ask for nothing but headers. All else is net/http's, and so is whatever key a
// later version brings. HTTP/2 may stay on: without TLS nobody speaks it.
func isPlain(o promconfig.HTTPClientConfig) bool {
	headers := o.HTTPHeaders
	o.EnableHTTP2, o.HTTPHeaders = false, nil
	return reflect.DeepEqual(o, promconfig.HTTPClientConfig{}) && areFixed(headers)
}

// areFixed tells headers that can be written once from those that are read from files at each use, and from those
// that net/http refuses to send.
func areFixed(headers *promconfig.Headers) bool {
	if headers == nil {
		return true
	}
	for name, header := range headers.Headers {
		if len(header.Files) > 0 || !isToken([]byte(name)) {
			return false
		}
		for _, value := range header.Values {
			if !isFieldValue([]byte(value)) {
				return false
			}
		}
		for _, secret := range header.Secrets {
			if !isFieldValue([]byte(secret)) {
				return false
			}
		}
	}
	return true
}

// addHeaders adds what http_headers says to a request.
func addHeaders(h http.Header, headers *promconfig.Headers) {
	if headers == nil {
		return
	}
	for name, header := range headers.Headers {
		for _, value := range header.Values {
			h.Add(name, value)
		}
		for _, secret := range header.Secrets {
			h.Add(name, string(secret))
		}
	}
}

// target is what is kept of one URL. It is safe for concurrent use; idle and used are the pool's.
type target struct {
	url     string
	address string // to dial
	asked   atomic.Pointer[question]
	idle    *conn
	used    time.Time
}

// question is a request as it is sent. It must be immutable: scrapes share it.
type question struct {
	timeout time.Duration
	text    []byte
}

// target gives what is kept of a URL; nil where net/http must ask it: another scheme, a password in the URL, a host
// that is not written in ASCII.
func (p *plain) target(url string, timeout time.Duration) *target {
	if t := p.idle.target(url); t != nil {
		return t
	}
	address, ok := plainAddress(url)
	if !ok {
		return nil
	}
	t := &target{url: url, address: address}
	if _, err := p.question(t, timeout); err != nil {
		return nil
	}
	return p.idle.add(t)
}

func plainAddress(text string) (string, bool) {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "http" || u.User != nil || u.Opaque != "" || u.Hostname() == "" {
		return "", false
	}
	for i := range len(u.Host) {
		if u.Host[i] >= 0x80 {
			return "", false
		}
	}
	port := u.Port()
	if port == "" {
		port = "80"
	}
	return net.JoinHostPort(u.Hostname(), port), true
}

// question gives the request's bytes. They are written by net/http, once, and again only where the timeout changes.
func (p *plain) question(t *target, timeout time.Duration) ([]byte, error) {
	if q := t.asked.Load(); q != nil && q.timeout == timeout {
		return q.text, nil
	}
	req, err := p.request(context.Background(), t.url, timeout)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	if err := req.Write(&b); err != nil {
		return nil, err
	}
	t.asked.Store(&question{timeout, b.Bytes()})
	return b.Bytes(), nil
}
