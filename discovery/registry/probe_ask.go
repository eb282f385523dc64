package registry

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"strings"
)

// maxProbeBody bounds what is read of an answer. Of an endless one Consul would read until the timeout.
const maxProbeBody = 1 << 20

// ask gives the status and output of one question, in Consul's words.
func (p *probe) ask(ctx context.Context) (status, output string) {
	if p.url != "" {
		return p.askHTTP(ctx)
	}
	return p.askTCP(ctx)
}

func (p *probe) askTCP(ctx context.Context) (status, output string) {
	ctx, cancel := context.WithTimeout(ctx, p.timeout)
	defer cancel()
	dialer, name := (&net.Dialer{}).DialContext, "TCP"
	if p.tls {
		dialer, name = (&tls.Dialer{Config: p.tlsConfig()}).DialContext, "TCP+TLS"
	}
	conn, err := dialer(ctx, "tcp", p.tcp)
	if err != nil {
		return critical, clip(err.Error(), p.outputLimit)
	}
	_ = conn.Close() // it has served
	return passing, name + " connect " + p.tcp + ": Success"
}

func (p *probe) askHTTP(ctx context.Context) (status, output string) {
	client, done := p.client()
	defer done()
	req, err := p.request(ctx)
	if err != nil {
		return critical, clip(err.Error(), p.outputLimit)
	}
	resp, err := client.Do(req)
	if err != nil {
		return critical, clip(err.Error(), p.outputLimit)
	}
	defer func() { _ = resp.Body.Close() }()
	end := &lastBytes{limit: p.outputLimit}
	_, _ = io.Copy(end, io.LimitReader(resp.Body, maxProbeBody)) // what came says enough
	return statusFor(resp.StatusCode), fmt.Sprintf("HTTP %s %s: %s Output: %s", p.method, p.url, resp.Status, end)
}

// client keeps no connection: a check must notice that nobody listens any more.
func (p *probe) client() (client *http.Client, done func()) {
	transport := &http.Transport{
		Proxy: http.ProxyFromEnvironment, DisableKeepAlives: true, TLSClientConfig: p.tlsConfig(), MaxResponseHeaderBytes: 64 << 10,
	}
	client = &http.Client{Transport: transport, Timeout: p.timeout}
	if !p.follow {
		client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	}
	return client, transport.CloseIdleConnections
}

func (p *probe) tlsConfig() *tls.Config {
	return &tls.Config{ServerName: p.serverName, InsecureSkipVerify: p.skipVerify, MinVersion: tls.VersionTLS12}
}

func (p *probe) request(ctx context.Context) (*http.Request, error) {
	req, err := http.NewRequestWithContext(ctx, p.method, p.url, strings.NewReader(p.body))
	if err != nil {
		return nil, err
	}
	maps.Copy(req.Header, p.header)
	if host := req.Header.Get("Host"); host != "" {
		req.Host = host
	}
	for name, value := range map[string]string{"User-Agent": "Consul Health Check", "Accept": "text/plain, text/*, */*"} {
		if req.Header.Get(name) == "" {
			req.Header.Set(name, value)
		}
	}
	return req, nil
}

func statusFor(code int) string {
	switch {
	case 200 <= code && code <= 299:
		return passing
	case code == http.StatusTooManyRequests:
		return warning
	}
	return critical
}

// clip bounds a text that is not ours.
func clip(text string, limit int) string {
	return strings.ToValidUTF8(text[:min(len(text), limit)], "")
}

// lastBytes keeps the end of what is written.
type lastBytes struct {
	limit int
	kept  []byte
}

func (b *lastBytes) Write(p []byte) (int, error) {
	b.kept = append(b.kept, p[max(0, len(p)-b.limit):]...)
	if excess := len(b.kept) - b.limit; excess > 0 {
		b.kept = append(b.kept[:0], b.kept[excess:]...)
	}
	return len(p), nil
}

func (b *lastBytes) String() string { return string(b.kept) }
