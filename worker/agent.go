package worker

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	consulapi "github.com/hashicorp/consul/api"
)

// maxAnswer bounds what is read of an agent's or federator's answer: none that matters is longer.
const maxAnswer = 64 << 10

// agent is the Consul agent of this host.
type agent struct {
	api    *consulapi.Agent
	client *http.Client
}

func newAgent(options Options) (*agent, error) {
	config := consulapi.DefaultConfig()
	config.Address = options.Consul
	config.Transport = newTransport()
	client, err := consulapi.NewHttpClient(config.Transport, config.TLSConfig)
	if err != nil {
		return nil, fmt.Errorf("set up the agent's client: %w", err)
	}
	client.Transport = limited{client.Transport}
	config.HttpClient = client
	c, err := consulapi.NewClient(config)
	if err != nil {
		return nil, fmt.Errorf("set up the agent's client for %s: %w", options.Consul, err)
	}
	return &agent{api: c.Agent(), client: client}, nil
}

func (a *agent) register(ctx context.Context, registration *consulapi.AgentServiceRegistration) error {
	err := a.api.ServiceRegisterOpts(registration, consulapi.ServiceRegisterOpts{}.WithContext(ctx))
	if err != nil {
		return fmt.Errorf("register: %w", err)
	}
	return nil
}

// pass sends a heartbeat. An agent that has lost its registrations does not know us any more; that is no error.
func (a *agent) pass(ctx context.Context, serviceID string) (known bool, err error) {
	err = a.api.UpdateTTLOpts("service:"+serviceID, "", consulapi.HealthPassing, query(ctx))
	if isNotFound(err) {
		return false, nil
	}
	if err != nil {
		return true, fmt.Errorf("send the heartbeat: %w", err)
	}
	return true, nil
}

func (a *agent) deregister(ctx context.Context, serviceID string) error {
	err := a.api.ServiceDeregisterOpts(serviceID, query(ctx))
	if err != nil && !isNotFound(err) {
		return fmt.Errorf("deregister: %w", err)
	}
	return nil
}

func (a *agent) close() { a.client.CloseIdleConnections() }

func query(ctx context.Context) *consulapi.QueryOptions {
	return (&consulapi.QueryOptions{}).WithContext(ctx)
}

func isNotFound(err error) bool {
	var status consulapi.StatusError
	return errors.As(err, &status) && status.Code == http.StatusNotFound
}

// newTransport asks no proxy: agent and federator are near, and a proxy meant for the application's own requests
// would swallow the goodbye.
func newTransport() *http.Transport {
	return &http.Transport{
		MaxIdleConns:           2,
		IdleConnTimeout:        time.Minute,
		TLSHandshakeTimeout:    5 * time.Second,
		MaxResponseHeaderBytes: maxAnswer,
	}
}

func noRedirect(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

// limited cuts answers at maxAnswer: consul/api reads the body of an error as long as it comes.
type limited struct{ next http.RoundTripper }

func (l limited) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := l.next.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	resp.Body = struct {
		io.Reader
		io.Closer
	}{io.LimitReader(resp.Body, maxAnswer), resp.Body}
	return resp, nil
}

// CloseIdleConnections lets http.Client's reach the transport.
func (l limited) CloseIdleConnections() {
	if next, ok := l.next.(interface{ CloseIdleConnections() }); ok {
		next.CloseIdleConnections()
	}
}
