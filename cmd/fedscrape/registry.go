package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/fedscrape/fedscrape/discovery/registry"
)

// registryServer serves the embedded registry on a port of its own. A nil one serves nothing.
type registryServer struct {
	listener net.Listener
	registry *registry.Server
	http     *http.Server
}

// openRegistry opens the port, so that workers may register before all else runs.
func openRegistry(address string, logger *slog.Logger) (*registryServer, error) {
	if address == "" {
		return nil, nil //nolint:nilnil // no registry is no error
	}
	listener, err := net.Listen("tcp", address) //nolint:noctx // returns at once
	if err != nil {
		return nil, fmt.Errorf("open the registry's port: %w", err)
	}
	if ip := net.ParseIP(host(listener.Addr())); ip == nil || !ip.IsLoopback() {
		logger.Warn("The registry has no access control: whoever reaches it can register and deregister workers", "address", listener.Addr())
	}
	r := registry.New(registry.Options{})
	logger.Info("Registry listens", "address", listener.Addr())
	return &registryServer{listener, r, &http.Server{
		Handler: r.Handler(), ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 5 * time.Minute, MaxHeaderBytes: 64 << 10,
	}}, nil
}

func host(a net.Addr) string {
	h, _, _ := net.SplitHostPort(a.String())
	return h
}

func (r *registryServer) address() string { return r.listener.Addr().String() }

// serve answers until the context ends.
func (r *registryServer) serve(ctx context.Context) error {
	if r == nil {
		<-ctx.Done()
		return nil
	}
	stop := context.AfterFunc(ctx, func() { _ = r.http.Close() })
	defer stop()
	if err := r.http.Serve(r.listener); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve the registry: %w", err)
	}
	return nil
}

func (r *registryServer) close() error {
	if r == nil {
		return nil
	}
	r.registry.Close()
	return r.http.Close()
}
