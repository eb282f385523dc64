package realbin

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"
)

// ConsulOptions steer a Consul agent; the zero value is right for most tests.
type ConsulOptions struct {
	// HTTPPort is taken from FreePort where it is 0. A test that restarts an agent gives the same one again.
	HTTPPort int
	// Node is the node's name; "consul-test" where empty.
	Node string
	// HCL is further configuration, for example `acl { enabled = true }`.
	HCL string
}

// StartConsul runs a Consul agent in dev mode until the test ends, waits for its leader, and gives the address of its
// HTTP API.
func StartConsul(t testing.TB, opts ConsulOptions) string {
	t.Helper()
	return ConsulAgent(t, opts).Addr
}

// ConsulAgent is StartConsul for a test that kills the agent itself.
func ConsulAgent(t testing.TB, opts ConsulOptions) *Process {
	t.Helper()
	path := Consul(t)
	var err error
	for range 3 {
		var p *Process
		if p, err = startConsul(t, path, opts); err == nil {
			return p
		}
		if p.Kill(); !errors.Is(err, errExited) {
			break
		}
	}
	t.Fatalf("start Consul: %v", err)
	return nil
}

func startConsul(t testing.TB, path string, opts ConsulOptions) (*Process, error) {
	t.Helper()
	port, node := opts.HTTPPort, opts.Node
	if port == 0 {
		port = FreePort(t)
	}
	if node == "" {
		node = "consul-test"
	}
	args := []string{
		"agent", "-dev", "-bind=127.0.0.1", "-client=127.0.0.1", "-node=" + node, "-log-level=warn",
		"-http-port=" + strconv.Itoa(port),
		"-server-port=" + strconv.Itoa(FreePort(t)), "-serf-lan-port=" + strconv.Itoa(FreePort(t)), "-serf-wan-port=-1",
		"-dns-port=-1", "-grpc-port=-1", "-grpc-tls-port=-1",
		"-hcl=disable_update_check = true",
	}
	if opts.HCL != "" {
		args = append(args, "-hcl="+opts.HCL)
	}
	addr := fmt.Sprintf("127.0.0.1:%d", port)
	p := start(t, addr, path, args...)
	// The leader is there before the agent's own node is in the catalog; a test that asks for its node needs both.
	return p, p.await(t.Context(), "http://"+addr+"/v1/health/node/"+node, func(status int, body string) bool {
		return status == 200 && strings.Contains(body, "serfHealth")
	})
}
