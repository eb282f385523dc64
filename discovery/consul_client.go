package discovery

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	consulapi "github.com/hashicorp/consul/api"
)

const (
	// consulSlack is what an answer may take beyond the wait that was asked for.
	consulSlack = 15 * time.Second
	// consulWait bounds how long a watch is blind that Consul has forgotten, or asks with an index from before a
	// restore.
	consulWait = time.Minute

	headerFiltered = "X-Consul-Results-Filtered-By-ACLs"
)

// consulClient asks one server with one set of credentials. It is safe for concurrent use.
type consulClient struct {
	api     *consulapi.Client
	release func()
	options *ConsulOptions

	mu   sync.Mutex
	node string
}

func newConsulClient(options *ConsulOptions, pool *clientPool) (*consulClient, error) {
	client, release, err := pool.acquire(options)
	if err != nil {
		return nil, err
	}
	api, err := consulapi.NewClient(&consulapi.Config{
		Address:    options.Server,
		PathPrefix: options.PathPrefix,
		Scheme:     options.Scheme,
		Datacenter: options.Datacenter,
		Namespace:  options.Namespace,
		Partition:  options.Partition,
		Token:      string(options.Token),
		HttpClient: client,
	})
	if err != nil {
		release()
		return nil, err
	}
	return &consulClient{api: api, release: release, options: options}, nil
}

// close lets go of the connections.
func (c *consulClient) close() { c.release() }

// ask puts one question whose answer comes at the latest after wait (0: at once), and gives the index for the next.
func (c *consulClient) ask(ctx context.Context, query consulapi.QueryOptions, send func(*consulapi.QueryOptions) (*consulapi.QueryMeta, error)) (uint64, error) {
	timeout := consulSlack
	if query.WaitIndex > 0 {
		if query.WaitTime == 0 {
			query.WaitTime = consulWait
		}
		timeout += consulWait + consulWait/16
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	var header http.Header
	ctx = context.WithValue(ctx, headerKey{}, &header)
	meta, err := send(query.WithContext(ctx))
	switch {
	case err != nil:
		return 0, c.wrap(err, header)
	case header.Get(headerFiltered) == "true":
		return 0, fmt.Errorf("consul at %s has left out what the token may not read: give it service:read and node:read", c.options.Server)
	case meta.LastIndex == 0:
		return 0, fmt.Errorf("consul at %s answered without X-Consul-Index: a proxy before it must not take headers away", c.options.Server)
	}
	return meta.LastIndex, nil
}

func (c *consulClient) wrap(err error, header http.Header) error {
	err = fmt.Errorf("ask consul at %s: %w", c.options.Server, steady(err))
	seconds, parseErr := strconv.Atoi(header.Get("Retry-After"))
	if parseErr != nil || seconds <= 0 {
		return err
	}
	return &retryAfterError{error: err, wait: time.Duration(min(seconds, int(longestRetryAfter/time.Second))) * time.Second}
}

// ownNode is the name of the agent's node.
func (c *consulClient) ownNode(ctx context.Context) (string, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.node != "" {
		return c.node, nil
	}
	ctx, cancel := context.WithTimeout(ctx, consulSlack)
	defer cancel()
	var self struct{ Config struct{ NodeName string } }
	query := consulapi.QueryOptions{}
	if _, err := c.api.Raw().Query("/v1/agent/self", &self, query.WithContext(ctx)); err != nil {
		return "", fmt.Errorf("ask consul at %s for its node's name (agent/self): %w", c.options.Server, steady(err))
	}
	if self.Config.NodeName == "" {
		return "", fmt.Errorf("consul at %s does not tell its node's name (agent/self)", c.options.Server)
	}
	c.node = self.Config.NodeName
	return c.node, nil
}

// forgetNode is for after an error: another agent may answer from now on.
func (c *consulClient) forgetNode() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.node = ""
}

// retryAfterError carries how long the server asks to be left alone.
type retryAfterError struct {
	error
	wait time.Duration
}

func (e *retryAfterError) Unwrap() error { return e.error }

func retryAfter(err error) time.Duration {
	if e, ok := errors.AsType[*retryAfterError](err); ok {
		return e.wait
	}
	return 0
}

// steady takes away what differs from attempt to attempt (the query, the local port), so that one trouble is logged
// once, and rephrases Consul's own.
func steady(err error) error {
	if status, ok := errors.AsType[consulapi.StatusError](err); ok {
		return &statusError{code: status.Code, body: firstLine(status.Body)}
	}
	if inURL, ok := errors.AsType[*url.Error](err); ok {
		err = inURL.Err
	}
	if op, ok := errors.AsType[*net.OpError](err); ok {
		return fmt.Errorf("%s: %w", op.Op, op.Err)
	}
	return err
}

type statusError struct {
	code int
	body string
}

func (e *statusError) Error() string {
	return strings.TrimSpace(fmt.Sprintf("HTTP status %d: %s", e.code, e.body))
}

// firstLine is short enough for a log.
func firstLine(text string) string {
	line, _, _ := strings.Cut(strings.TrimSpace(text), "\n")
	return line[:min(len(line), 200)]
}
