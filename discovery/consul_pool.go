package discovery

import (
	"fmt"
	"io"
	"net/http"
	"sync"

	promconfig "github.com/prometheus/common/config"
)

// consulBodyLimit is eight times what 10,000 registrations take in Consul's widest writing.
const consulBodyLimit = 256 << 20

// clientPool gives watches of one server and the same HTTP settings one client: Consul takes 200 connections per
// client address, workers of this host included.
type clientPool struct {
	mu      sync.Mutex
	clients []*pooledClient
}

type pooledClient struct {
	server string
	config promconfig.HTTPClientConfig
	http   *http.Client
	users  int
}

func (p *clientPool) acquire(options *ConsulOptions) (client *http.Client, release func(), err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	config := options.httpClientConfig()
	for _, c := range p.clients {
		if c.server == options.Server && sameConfig(c.config, config) {
			c.users++
			return c.http, sync.OnceFunc(func() { p.releaseClient(c) }), nil
		}
	}
	made, err := promconfig.NewClientFromConfig(config, "consul_sd", promconfig.WithIdleConnTimeout(2*consulWait))
	if err != nil {
		return nil, nil, err
	}
	made.Transport = &boundedTransport{next: made.Transport, limit: consulBodyLimit}
	c := &pooledClient{server: options.Server, config: config, http: made, users: 1}
	p.clients = append(p.clients, c)
	return c.http, sync.OnceFunc(func() { p.releaseClient(c) }), nil
}

func (p *clientPool) releaseClient(c *pooledClient) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if c.users--; c.users > 0 {
		return
	}
	c.http.CloseIdleConnections()
	for i := range p.clients {
		if p.clients[i] == c {
			p.clients = append(p.clients[:i], p.clients[i+1:]...)
			return
		}
	}
}

// headerKey is under which a request's context carries the place for the answer's header, which consul/api keeps to
// itself.
type headerKey struct{}

// boundedTransport bounds what an answer may bring, as consul/api reads without end.
type boundedTransport struct {
	next  http.RoundTripper
	limit int64
}

func (t *boundedTransport) RoundTrip(request *http.Request) (*http.Response, error) {
	response, err := t.next.RoundTrip(request)
	if err != nil {
		return nil, err
	}
	if header, ok := request.Context().Value(headerKey{}).(*http.Header); ok {
		*header = response.Header
	}
	response.Body = &boundedBody{ReadCloser: response.Body, left: t.limit, limit: t.limit}
	return response, nil
}

// CloseIdleConnections is what http.Client looks for.
func (t *boundedTransport) CloseIdleConnections() {
	if closer, ok := t.next.(interface{ CloseIdleConnections() }); ok {
		closer.CloseIdleConnections()
	}
}

type boundedBody struct {
	io.ReadCloser
	left, limit int64
}

func (b *boundedBody) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, fmt.Errorf("the answer is larger than %d MB: name fewer services, or use health_filter", b.limit>>20)
	}
	n, err := b.ReadCloser.Read(p[:min(int64(len(p)), b.left)])
	b.left -= int64(n)
	return n, err
}
