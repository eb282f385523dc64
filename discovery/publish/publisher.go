package publish

import (
	"context"
	"log/slog"
	"reflect"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/promslog"

	"github.com/fedscrape/fedscrape/discovery"
)

// Parts are what a Publisher needs of the federator.
type Parts struct {
	Logger     *slog.Logger
	Registerer prometheus.Registerer
	// Instances gives the instances that are known now. whole is false as long as some may not be known yet; nothing is
	// withdrawn then.
	Instances func() (known []discovery.InstanceID, whole bool)
	// Endpoint is asked for when publishing begins: the ports are open then.
	Endpoint func() Endpoint

	pace pace
}

// pace is how often things are done.
type pace struct{ poll, heartbeat, ttl, goodbye time.Duration }

// An instance is published within a second of its being known. TTL and heartbeat are those of workers.
func defaultPace() pace {
	return pace{poll: 500 * time.Millisecond, heartbeat: 5 * time.Second, ttl: 15 * time.Second, goodbye: time.Second}
}

// Publisher keeps the instances registered in Consul. It is safe for concurrent use.
type Publisher struct {
	parts   Parts
	metrics *metrics

	mu sync.Mutex
	// running is Run's context, which the connections that Apply brings later live with; nil unless Run runs.
	running     context.Context
	wanted      []*Options
	connections []*connection
}

// New gives a publisher that publishes nowhere yet.
func New(parts Parts) *Publisher {
	if parts.Logger == nil {
		parts.Logger = promslog.NewNopLogger()
	}
	if parts.pace == (pace{}) {
		parts.pace = defaultPace()
	}
	return &Publisher{parts: parts, metrics: newMetrics(parts.Registerer)}
}

// Apply changes where to publish. What is the same goes on; what is left out is withdrawn.
func (p *Publisher) Apply(wanted []*Options) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.wanted = wanted
	if p.running != nil && p.running.Err() == nil {
		p.settle(wanted)
	}
}

// Run publishes until the context ends, withdraws all, and returns when that is done.
func (p *Publisher) Run(ctx context.Context) error {
	p.mu.Lock()
	// The connections end by stop alone, which says whether to withdraw.
	p.running = ctx
	p.settle(p.wanted)
	p.mu.Unlock()
	<-ctx.Done()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.running = nil
	p.settle(nil)
	return nil
}

// settle keeps what is the same, stops and awaits what is not, and then starts what is new. Where only the way to a
// place has changed, a new token say, its services are handed over and not withdrawn.
func (p *Publisher) settle(wanted []*Options) {
	var keep, stop []*connection
	for _, c := range p.connections {
		if slices.ContainsFunc(wanted, func(o *Options) bool { return reflect.DeepEqual(o, c.options) }) {
			keep = append(keep, c)
		} else {
			stop = append(stop, c)
		}
	}
	for _, c := range stop {
		c.stop(!slices.ContainsFunc(wanted, func(o *Options) bool { return o.place() == c.options.place() }))
	}
	for _, c := range stop {
		c.done.Wait()
	}
	p.connections = keep
	for _, o := range wanted {
		if !slices.ContainsFunc(keep, func(c *connection) bool { return reflect.DeepEqual(o, c.options) }) {
			p.connections = append(p.connections, p.start(o))
		}
	}
}

func (p *Publisher) start(o *Options) *connection {
	c := &connection{
		options: o, parts: &p.parts, metrics: p.metrics,
		logger: p.parts.Logger.With("component", "publish", "server", o.Server, "service", o.Service),
	}
	p.metrics.add(o)
	ctx, cancel := context.WithCancel(context.WithoutCancel(p.running))
	c.cancel = cancel
	c.done.Go(func() { c.run(ctx) })
	return c
}
