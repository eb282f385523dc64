package publish

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"time"

	consulapi "github.com/hashicorp/consul/api"

	"github.com/fedscrape/fedscrape/discovery"
)

// requestTimeout is how long an agent may take to answer. It is less than a TTL, so that one that hangs once costs no
// service its check.
const requestTimeout = 5 * time.Second

// agent is the Consul agent to register with.
type agent struct {
	options *Options
	api     *consulapi.Agent
	release func()
}

func newAgent(options *Options) (*agent, error) {
	client, release, err := discovery.ConnectConsul(options.consul())
	if err != nil {
		return nil, fmt.Errorf("set up the client of consul at %s: %w", options.Server, err)
	}
	return &agent{options: options, api: client.Agent(), release: release}, nil
}

// agentError is an answer, or none, of the agent.
type agentError struct {
	error
	// general is no fault of the one service that was asked for: others would fare the same.
	general bool
}

func (e *agentError) Unwrap() error { return e.error }

// own gives the IDs of the federator's services that the agent has.
func (a *agent) own(ctx context.Context, prefix string) ([]string, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	services, err := a.api.ServicesWithFilterOpts("Service == "+strconv.Quote(a.options.Service), query(ctx))
	if err != nil {
		return nil, a.explain("list services", err)
	}
	var ids []string
	for id := range services {
		if ownID(prefix, id) {
			ids = append(ids, id)
		}
	}
	return ids, nil
}

func (a *agent) register(ctx context.Context, r *consulapi.AgentServiceRegistration) error {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	opts := consulapi.ServiceRegisterOpts{ReplaceExistingChecks: true}
	if err := a.api.ServiceRegisterOpts(r, opts.WithContext(ctx)); err != nil {
		return a.explain("register", err)
	}
	return nil
}

// pass sends a heartbeat. An agent that has lost its registrations does not know the service any more; that is no
// error.
func (a *agent) pass(ctx context.Context, id string) (known bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	err = a.api.UpdateTTLOpts("service:"+id, "", consulapi.HealthPassing, query(ctx))
	if isNotFound(err) {
		return false, nil
	}
	if err != nil {
		return true, a.explain("send the heartbeat", err)
	}
	return true, nil
}

func (a *agent) deregister(ctx context.Context, id string) error {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	if err := a.api.ServiceDeregisterOpts(id, query(ctx)); err != nil && !isNotFound(err) {
		return a.explain("deregister", err)
	}
	return nil
}

// explain says what was tried where, and what to do about it.
func (a *agent) explain(doing string, err error) error {
	status, short := discovery.ConsulStatus(err)
	short = fmt.Errorf("%s at consul at %s: %w", doing, a.options.Server, short)
	if status == http.StatusForbidden {
		short = fmt.Errorf("%w: give the token service:write on %q", short, a.options.Service)
	}
	general := status == 0 || status == http.StatusForbidden || status == http.StatusTooManyRequests || status >= 500
	return &agentError{short, general}
}

func query(ctx context.Context) *consulapi.QueryOptions {
	return (&consulapi.QueryOptions{}).WithContext(ctx)
}

func isNotFound(err error) bool {
	status, _ := discovery.ConsulStatus(err)
	return status == http.StatusNotFound
}
