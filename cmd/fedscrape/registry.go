package main

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"

	"github.com/fedscrape/fedscrape/discovery/registry"
)

// registryServer serves the embedded registry on a port of its own. A nil one serves nothing.
type registryServer struct {
	listener net.Listener
	registry *registry.Server
	http     *http.Server
	ended    chan struct{} // closed when nothing is served any more; err says why
	err      error
}

// openRegistry serves from now on until close, so that workers may register before all else runs, and whoever watches
// the registry can end before it does.
func openRegistry(address string, logger *slog.Logger) (*registryServer, error) {
	if address == "" {
		return nil, nil //nolint:nilnil // no registry is no error
	}
	listener, err := net.Listen("tcp", address) //nolint:noctx // returns at once
	if err != nil {
		return nil, fmt.Errorf("open the registry's port: %w; --registry.listen-address takes another, as HOST:PORT", err)
	}
	if ip := net.ParseIP(host(listener.Addr())); ip == nil || !ip.IsLoopback() {
		logger.Warn("The registry has no access control: whoever reaches it can register and deregister workers, and have it ask any URL by an HTTP check", "address", listener.Addr().String())
	}
	r := registry.New(registry.Options{})
	logger.Info("Registry listens", "address", listener.Addr().String())
	s := &registryServer{listener: listener, registry: r, ended: make(chan struct{}), http: r.HTTPServer()}
	go func() { // ends with close, which waits for it
		defer close(s.ended)
		s.err = s.http.Serve(listener)
	}()
	return s, nil
}

func host(a net.Addr) string {
	h, _, _ := net.SplitHostPort(a.String())
	return h
}

func (r *registryServer) address() string { return r.listener.Addr().String() }

// wait returns when the context ends, or with the reason why nothing is served any more.
func (r *registryServer) wait(ctx context.Context) error {
	if r == nil {
		<-ctx.Done()
		return nil
	}
	select {
	case <-ctx.Done():
		return nil
	case <-r.ended:
		return fmt.Errorf("serve the registry: %w", r.err)
	}
}

func (r *registryServer) close() error {
	if r == nil {
		return nil
	}
	r.registry.Close()
	err := r.http.Close()
	<-r.ended
	return err
}
