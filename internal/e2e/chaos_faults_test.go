package e2e

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/fedscrape/fedscrape/internal/realbin"
)

// chaos is what befalls the processes: each kind of fault has a schedule of its own out of one seed.
type chaos struct {
	seed   uint64
	f      *federator
	master *child // gunicorn's

	consulPort int
	consul     *realbin.Process

	over chan struct{} // closed when there shall be no further fault

	dead                        []span // the times when the federator was being killed
	unready, terms              int    // of the federator: killed before it was ready; ended in good order
	consuls                     atomic.Int64
	killed, ended, stopped      atomic.Int64 // workers
	clients, answered, rejected atomic.Int64
}

type span struct{ from, to time.Time }

func (c *chaos) rand(kind uint64) *rand.Rand { return rand.New(rand.NewPCG(c.seed, kind)) }

// pause waits for a random time up to d; false where there shall be no further fault.
func (c *chaos) pause(r *rand.Rand, d time.Duration) bool {
	select {
	case <-c.over:
		return false
	case <-time.After(time.Duration(r.Int64N(int64(d)))):
		return true
	}
}

// killFederator kills the federator n times, at random moments of its life, its start included, and begins it anew.
func (c *chaos) killFederator(t *testing.T, n int) {
	t.Helper()
	r := c.rand(1)
	for range n {
		c.pause(r, 1500*time.Millisecond)
		c.restart(t, syscall.SIGKILL)
		if r.IntN(4) == 0 {
			c.pause(r, 500*time.Millisecond)
			if !c.ready(t) {
				c.unready++
			}
			continue
		}
		await(t, "the federator", func() bool { return c.ready(t) })
		if r.IntN(8) == 0 {
			c.pause(r, time.Second)
			c.restart(t, syscall.SIGTERM)
			c.terms++
			await(t, "the federator", func() bool { return c.ready(t) })
		}
	}
	await(t, "the federator", func() bool { return c.ready(t) })
}

func (c *chaos) ready(t *testing.T) bool {
	status, _ := get(t.Context(), c.f.url+"/-/ready")
	return status == http.StatusOK
}

// restart ends the federator and begins it with the very same arguments: port, ledger, configuration.
func (c *chaos) restart(t *testing.T, signal os.Signal) {
	t.Helper()
	begun := time.Now()
	_ = c.f.end(signal)
	c.dead = append(c.dead, span{begun, time.Now()})
	cmd := c.f.cmd
	c.f.child = startChild(t, cmd.Dir, nil, cmd.Path, cmd.Args[1:]...)
}

// killConsul kills the agent and its server, which forget all registrations, and begins them anew.
func (c *chaos) killConsul(t *testing.T) {
	r := c.rand(2)
	for c.pause(r, 8*time.Second) {
		c.consul.Kill()
		c.consuls.Add(1)
		c.pause(r, 3*time.Second)
		c.consul = realbin.ConsulAgent(t, realbin.ConsulOptions{HTTPPort: c.consulPort})
	}
}

// disturbWorkers kills workers, ends them in good order and stops them for a while.
func (c *chaos) disturbWorkers() {
	r := c.rand(3)
	for c.pause(r, 2*time.Second) {
		pids := c.workers()
		if len(pids) == 0 {
			continue
		}
		pid := pids[r.IntN(len(pids))]
		switch r.IntN(3) {
		case 0:
			count(&c.killed, syscall.Kill(pid, syscall.SIGKILL))
		case 1:
			count(&c.ended, syscall.Kill(pid, syscall.SIGTERM))
		default:
			count(&c.stopped, syscall.Kill(pid, syscall.SIGSTOP))
			c.pause(r, 2*time.Second)
			_ = syscall.Kill(pid, syscall.SIGCONT)
		}
	}
}

func count(n *atomic.Int64, err error) {
	if err == nil {
		n.Add(1)
	}
}

// workers are the pids of gunicorn's children.
func (c *chaos) workers() []int {
	pid := c.master.cmd.Process.Pid
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
	var pids []int
	for field := range strings.FieldsSeq(string(text)) {
		if pid, err := strconv.Atoi(field); err == nil {
			pids = append(pids, pid)
		}
	}
	return pids
}

// load sends requests until stop is closed.
func (c *chaos) load(t *testing.T, url string, kind uint64, stop <-chan struct{}) {
	r := c.rand(kind)
	for {
		select {
		case <-stop:
			return
		case <-time.After(time.Duration(r.IntN(10)) * time.Millisecond): // a client's own pace
		}
		c.clients.Add(1)
		if status, _ := get(t.Context(), url+paths[r.IntN(len(paths))]); status == http.StatusOK {
			c.answered.Add(1)
		} else {
			c.rejected.Add(1)
		}
	}
}

var paths = []string{"/", "/fire"}
