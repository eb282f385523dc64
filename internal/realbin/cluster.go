package realbin

import (
	"errors"
	"fmt"
	"runtime"
	"strconv"
	"strings"
	"testing"
)

// ConsulCluster runs n agents of one Consul until the test ends: node1 on 127.0.0.2 is a server, node2 on 127.0.0.3 and so
// on are its clients. It waits until each node is in the catalog and each agent answers. Only Linux has these addresses
// without further ado.
func ConsulCluster(t testing.TB, n int) []*Process {
	t.Helper()
	path := Consul(t)
	if runtime.GOOS != "linux" {
		Skip(t, "a cluster needs 127.0.0.2 and more, which only Linux has by itself")
	}
	var err error
	for range 3 {
		c := &cluster{path: path, server: FreePort(t), serf: FreePort(t), http: FreePort(t)}
		if err = c.start(t, n); err == nil {
			return c.agents
		}
		for _, p := range c.agents {
			p.Kill()
		}
		if !errors.Is(err, errExited) {
			break
		}
	}
	t.Fatalf("start a cluster of Consul: %v", err)
	return nil
}

// cluster has the same ports on every address.
type cluster struct {
	path               string
	server, serf, http int
	agents             []*Process
}

func (c *cluster) start(t testing.TB, n int) error {
	t.Helper()
	for i := range n {
		c.agents = append(c.agents, c.agent(t, i))
	}
	for _, p := range c.agents {
		for i := range n {
			// A client that has joined may not be in the catalog yet.
			node := fmt.Sprintf("node%d", i+1)
			err := p.await(t.Context(), "http://"+p.Addr+"/v1/health/node/"+node, func(status int, body string) bool {
				return status == 200 && strings.Contains(body, "serfHealth")
			})
			if err != nil {
				return err
			}
		}
	}
	return nil
}

func (c *cluster) agent(t testing.TB, i int) *Process {
	t.Helper()
	ip := fmt.Sprintf("127.0.0.%d", i+2)
	args := []string{
		"agent", "-bind=" + ip, "-client=" + ip, "-node=" + fmt.Sprintf("node%d", i+1), "-log-level=warn",
		"-http-port=" + strconv.Itoa(c.http), "-server-port=" + strconv.Itoa(c.server), "-serf-lan-port=" + strconv.Itoa(c.serf),
		"-serf-wan-port=-1", "-dns-port=-1", "-grpc-port=-1", "-grpc-tls-port=-1",
		"-hcl=disable_update_check = true",
		"-disable-host-node-id", // all agents of a host would have one ID
	}
	if i == 0 {
		args = append(args, "-dev")
	} else {
		args = append(args, "-data-dir="+t.TempDir(), fmt.Sprintf("-retry-join=127.0.0.2:%d", c.serf), "-retry-interval=100ms")
	}
	return start(t, fmt.Sprintf("%s:%d", ip, c.http), c.path, args...)
}
