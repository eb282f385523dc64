package publish

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	consulapi "github.com/hashicorp/consul/api"

	"github.com/fedscrape/fedscrape/discovery"
)

// connection keeps one agent's list true. All but options, withdraw, cancel and done belong to its goroutine.
type connection struct {
	options *Options
	parts   *Parts
	metrics *metrics
	logger  *slog.Logger

	// withdraw says whether to take all back at the end. It is set before cancel is called.
	withdraw bool
	cancel   context.CancelFunc
	done     sync.WaitGroup

	endpoint Endpoint
	// address is what the services are registered with; routed is when the route was last looked at.
	address string
	routed  time.Time
	agent   *agent
	// entries are the services that the agent has or may have, by ID; nil until it was asked which it has.
	entries map[string]*entry
	unsaid  map[discovery.InstanceID]bool
	trouble string
	wait    time.Duration
}

func (c *connection) run(ctx context.Context) {
	defer c.end(context.WithoutCancel(ctx))
	c.endpoint = c.parts.Endpoint()
	c.logger.Info("Publishing merged instances", "address", c.endpoint.Host, "port", c.endpoint.Port)
	if isLoopback(c.endpoint.Host) {
		c.logger.Warn("Merged instances are published with a loopback address, which no other host reaches; listen on another, or set --web.external-url",
			"address", c.endpoint.Host)
	}
	for ctx.Err() == nil {
		err := c.keep(ctx)
		if ctx.Err() != nil {
			return
		}
		c.report(err)
		pause(ctx, c.next(err))
	}
}

// keep makes one pass.
func (c *connection) keep(ctx context.Context) error {
	if err := c.connect(ctx); err != nil {
		return err
	}
	if err := c.route(ctx); err != nil {
		return err
	}
	known, whole := c.parts.Instances()
	wanted := map[string]*consulapi.AgentServiceRegistration{}
	for _, id := range c.said(known) {
		r := registration(c.options, &c.endpoint, c.parts.pace.ttl, c.address, id)
		wanted[r.ID] = r
	}
	err := c.do(ctx, plan(c.entries, wanted, whole, time.Now(), c.parts.pace.heartbeat))
	c.metrics.count(c.options, c.entries)
	return err
}

// connect asks, the first time, what an earlier run of this federator has left.
func (c *connection) connect(ctx context.Context) (err error) {
	if c.agent == nil {
		if c.agent, err = newAgent(c.options); err != nil {
			return err
		}
	}
	if c.entries != nil {
		return nil
	}
	ids, err := c.agent.own(ctx, idPrefix(c.options.Service, c.endpoint.Federator))
	if err != nil {
		return err
	}
	c.entries = map[string]*entry{}
	for _, id := range ids {
		c.entries[id] = &entry{}
	}
	return nil
}

// route looks for the address with each heartbeat only: the server's name may have to be resolved for it.
func (c *connection) route(ctx context.Context) (err error) {
	if !c.routed.IsZero() && time.Since(c.routed) < c.parts.pace.heartbeat {
		return nil
	}
	if c.address, err = c.endpoint.address(ctx, c.options.Server); err == nil {
		c.routed = time.Now()
	}
	return err
}

// said leaves out what Consul cannot hold, and says so once.
func (c *connection) said(known []discovery.InstanceID) []discovery.InstanceID {
	list := make([]discovery.InstanceID, 0, len(known))
	unsaid := map[discovery.InstanceID]bool{}
	for _, id := range known {
		err := sayable(id)
		if err == nil {
			list = append(list, id)
			continue
		}
		unsaid[id] = true
		if !c.unsaid[id] {
			c.metrics.failed(c.options)
			c.logger.Error("Instance cannot be published", "job", id.Job, "instance", id.Instance, "err", err)
		}
	}
	c.unsaid = unsaid
	return list
}

// report logs what changed, not what goes on.
func (c *connection) report(err error) {
	text := ""
	if err != nil {
		text = err.Error()
		c.metrics.failed(c.options)
	}
	if text == c.trouble {
		return
	}
	c.trouble = text
	if err != nil {
		c.logger.Error("Publishing has an error; it is tried again, and what is published stays", "err", err)
		return
	}
	c.logger.Info("Publishing works again")
}

// next is how long to wait. After an error it grows to a heartbeat's interval, no longer: who comes back later loses
// its checks. It is jittered over its upper half, as many federators may ask one agent.
func (c *connection) next(err error) time.Duration {
	if err == nil {
		c.wait = 0
		return c.parts.pace.poll
	}
	c.wait = min(max(2*c.wait, c.parts.pace.poll), c.parts.pace.heartbeat)
	return c.wait/2 + rand.N(c.wait/2+1)
}

func pause(ctx context.Context, wait time.Duration) {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}

// end takes back what is published.
func (c *connection) end(ctx context.Context) {
	defer c.metrics.forget(c.options)
	if c.agent == nil {
		return
	}
	defer c.agent.release()
	if !c.withdraw {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, c.parts.pace.goodbye)
	defer cancel()
	err := c.do(ctx, withdrawal(c.entries))
	if err != nil {
		c.logger.Warn("Published instances are not all withdrawn; they expire within two minutes", "left", len(c.entries), "err", err)
	}
}

// stop ends the connection's goroutine. wait must be called after.
func (c *connection) stop(withdraw bool) {
	c.withdraw = withdraw
	c.cancel()
}

// worst is the error to tell of several: one that all services share, else always the same one.
func worst(a, b error) error {
	if a == nil || b == nil {
		return errors.Join(a, b)
	}
	if isGeneral(a) != isGeneral(b) {
		if isGeneral(a) {
			return a
		}
		return b
	}
	if a.Error() <= b.Error() {
		return a
	}
	return b
}

func isGeneral(err error) bool {
	e, ok := errors.AsType[*agentError](err)
	return ok && e.general
}
