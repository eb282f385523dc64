package publish

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"
)

// Endpoint is where others reach the federator.
type Endpoint struct {
	Scheme string
	// Host is empty where the federator listens on every address of its host.
	Host string
	Port int
	// MetricsPath is that of the merged endpoint.
	MetricsPath string
	// Federator tells this federator from others that register with the same agent; the same after a restart.
	Federator string
}

// NewEndpoint takes the external URL, else (where it is nil) the best of the addresses that are listened on, by scheme.
func NewEndpoint(hostname string, external *url.URL, scheme string, listening []net.Addr) Endpoint {
	host, port := best(listening)
	e := Endpoint{Scheme: scheme, Host: host, Port: port, MetricsPath: "/merged", Federator: federatorName(hostname, host, port)}
	if external == nil {
		return e
	}
	e.Scheme, e.Host, e.MetricsPath = external.Scheme, external.Hostname(), strings.TrimSuffix(external.Path, "/")+"/merged"
	e.Port = 80
	if e.Scheme == "https" {
		e.Port = 443
	}
	if p, err := strconv.Atoi(external.Port()); err == nil {
		e.Port = p
	}
	return e
}

// best prefers the wildcard, and then an address that other hosts reach.
func best(listening []net.Addr) (host string, port int) {
	least := 3
	for _, a := range listening {
		tcp, ok := a.(*net.TCPAddr)
		if !ok {
			continue
		}
		rank, text := 1, tcp.IP.String()
		switch {
		case tcp.IP.IsUnspecified():
			rank, text = 0, ""
		case tcp.IP.IsLoopback():
			rank = 2
		}
		if rank < least {
			least, host, port = rank, text, tcp.Port
		}
	}
	return host, port
}

// federatorName has the address only where others may listen on the same port of other addresses.
func federatorName(hostname, host string, port int) string {
	if host == "" {
		return fmt.Sprintf("%s-%d", hostname, port)
	}
	return fmt.Sprintf("%s-%s-%d", hostname, host, port)
}

// address is what to register at an agent. It is empty, which stands for the address of the agent's node, where the
// agent is on this host: asked for a route to itself, a host knows of nothing but loopback.
func (e *Endpoint) address(ctx context.Context, server string) (string, error) {
	if e.Host != "" {
		return e.Host, nil
	}
	ip, err := routeTo(ctx, server)
	if err != nil {
		return "", fmt.Errorf("find the route to consul at %s: %w", server, err)
	}
	if ip.IsLoopback() {
		return "", nil
	}
	return ip.String(), nil
}

// routeTo is the local address of the route to a server. Connecting a datagram socket sends nothing.
func routeTo(ctx context.Context, server string) (net.IP, error) {
	if !strings.Contains(server, "://") {
		server = "http://" + server
	}
	u, err := url.Parse(server)
	if err != nil {
		return nil, err
	}
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "udp", net.JoinHostPort(u.Hostname(), cmp.Or(u.Port(), "80")))
	if err != nil {
		return nil, err
	}
	defer func() { _ = conn.Close() }()
	return conn.LocalAddr().(*net.UDPAddr).IP, nil
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
