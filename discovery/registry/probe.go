package registry

import (
	"context"
	"math/rand/v2"
	"reflect"
	"time"
)

// Consul's bounds on checks that ask by themselves.
const (
	minInterval    = time.Second
	defaultTimeout = 10 * time.Second
)

// probe is what a check asks by itself, and how. It must be immutable.
type probe struct {
	url, method string // an HTTP check, where url is set
	header      map[string][]string
	body        string
	follow      bool // redirects

	tcp string
	tls bool // for tcp; an HTTP check goes by its URL

	serverName string
	skipVerify bool

	interval, timeout time.Duration
	outputLimit       int

	// How many results of a kind in a row it takes until the check's status follows; 0 and less: one.
	successesToPass, failuresToWarn, failuresToFail int
}

// prober runs one probe until it is ended. Its goroutine is the Server's, which waits for it in Close.
type prober struct {
	probe *probe
	end   context.CancelFunc
	// check is whose status the probe sets, nil after the end; guarded by Server.mu.
	check *check
	// Results in a row, which begin at what it takes: the first result counts at once. Guarded by Server.mu.
	successes, failures int
}

func newProber(c *check, end context.CancelFunc) *prober {
	return &prober{probe: c.probe, end: end, check: c, successes: c.probe.successesToPass, failures: c.probe.failuresToFail}
}

// startProbe has a check ask, unless it does already. Who calls it holds mu.
func (s *Server) startProbe(c *check) {
	if c.probe == nil || c.prober != nil || s.closed {
		return
	}
	ctx, cancel := context.WithCancel(s.life)
	p := newProber(c, cancel)
	c.prober = p
	s.state.probers++
	s.inFlight.Go(func() { s.runProbe(ctx, p) })
}

// stopProbe ends what a check asks. A question that is under way is given up, and no late answer sets a status.
func (st *state) stopProbe(c *check) {
	if c.prober == nil {
		return
	}
	c.prober.check = nil
	c.prober.end()
	c.prober = nil
	st.probers--
}

// handProbe gives a check's prober to the check that takes its place, if that asks the same: a worker that registers
// again and again would never be asked otherwise.
func (st *state) handProbe(from, to *check) {
	if from.prober == nil || !reflect.DeepEqual(from.probe, to.probe) {
		st.stopProbe(from)
		return
	}
	to.prober, from.prober = from.prober, nil
	to.prober.check = to
}

func (s *Server) runProbe(ctx context.Context, p *prober) {
	// The first question comes at a random point of the interval, as Consul's: a hundred workers that are registered at
	// once are not asked at once.
	timer := time.NewTimer(rand.N(p.probe.interval))
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
			status, output := p.probe.ask(ctx)
			s.probed(p, status, output)
			timer.Reset(p.probe.interval)
		}
	}
}

// probed takes a result in.
func (s *Server) probed(p *prober, status, output string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if p.check == nil {
		return
	}
	if status = p.judge(status); status != "" {
		s.state.setStatus(p.check, status, output, time.Now())
	}
}

// judge is the status that a result leads to; empty: none, it takes more of them.
func (p *prober) judge(status string) string {
	if status != critical {
		p.successes, p.failures = p.successes+1, 0
		if p.successes < p.probe.successesToPass {
			return ""
		}
		return status
	}
	p.successes, p.failures = 0, p.failures+1
	warn, fail := p.probe.failuresToWarn, p.probe.failuresToFail
	switch {
	case p.failures >= fail:
		return critical
	case warn > 0 && p.failures >= warn:
		return warning
	}
	return ""
}
