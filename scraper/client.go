package scraper

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	promconfig "github.com/prometheus/common/config"
	"github.com/prometheus/common/version"
)

const (
	// idleTimeout keeps a worker's connection over rounds that nobody asked for, a minute or more apart.
	idleTimeout = 5 * time.Minute
	// maxRedirects is that of net/http, which only counts where nobody else decides.
	maxRedirects = 10
	// maxWorkerID is more than Consul's own limits leave room for.
	maxWorkerID = 1024
)

// Client scrapes the workers of one job. It is safe for concurrent use, and immutable but for its connections.
type Client struct {
	options Options
	http    *http.Client
	accept  string
}

// NewClient makes a client. Files that the options name (certificates, passwords) are read at each use.
func NewClient(o Options) (*Client, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	client, err := promconfig.NewClientFromConfig(o.HTTPClient, "fedscrape",
		promconfig.WithIdleConnTimeout(idleTimeout), promconfig.WithUserAgent(userAgent()))
	if err != nil {
		return nil, fmt.Errorf("set up the HTTP client: %w", err)
	}
	if o.HTTPClient.FollowRedirects {
		client.CheckRedirect = checkRedirect
	}
	return &Client{options: o, http: client, accept: acceptHeader(o.ScrapeProtocols)}, nil
}

func userAgent() string {
	if version.Version == "" {
		return "fedscrape/devel"
	}
	return "fedscrape/" + version.Version
}

func checkRedirect(_ *http.Request, via []*http.Request) error {
	if len(via) >= maxRedirects {
		return &Error{ResultHTTPStatus, fmt.Errorf("gave up after %d redirects", maxRedirects)}
	}
	return nil
}

// Close ends the connections that are kept for the next scrape. Scrapes that run are not touched.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Fetch asks url once and gives a good answer to handle, which reads its body. timeout bounds the whole, body
// included; 0 is the job's scrape_timeout. The error is an *Error, or handle's own as it is.
func (c *Client) Fetch(ctx context.Context, url string, timeout time.Duration, handle func(*Response) error) error {
	limit := c.deadline(timeout)
	ctx, cancel := context.WithTimeoutCause(ctx, limit.timeout, errDeadline)
	defer cancel()
	req, err := c.request(ctx, url, limit.timeout)
	if err != nil {
		// The cause quotes the URL, which may hold a password.
		return &Error{ResultRefused, errors.New("the worker's URL is not valid")}
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return failure(ctx, limit, "no answer", ResultRefused, err)
	}
	defer func() { _ = resp.Body.Close() }()
	return c.receive(ctx, limit, resp, handle)
}

func (c *Client) request(ctx context.Context, url string, timeout time.Duration) (*http.Request, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return nil, err
	}
	encoding := "identity"
	if c.options.EnableCompression {
		encoding = "gzip"
	}
	req.Header.Set("Accept", c.accept)
	req.Header.Set("Accept-Encoding", encoding)
	req.Header.Set("X-Prometheus-Scrape-Timeout-Seconds", strconv.FormatFloat(timeout.Seconds(), 'f', -1, 64))
	return req, nil
}

func (c *Client) receive(
	ctx context.Context, limit deadline, resp *http.Response, handle func(*Response) error,
) error {
	if err := checkStatus(resp.StatusCode); err != nil {
		return err
	}
	body, err := c.newBody(ctx, limit, resp)
	if err != nil {
		return err
	}
	if err := handle(newResponse(resp, body)); err != nil {
		return err
	}
	return body.finish()
}

func newResponse(resp *http.Response, body io.Reader) *Response {
	r := &Response{
		ContentType: resp.Header.Get("Content-Type"),
		// HTTP/2 ends each stream with a frame that says so.
		LengthTold: resp.ContentLength >= 0 || resp.ProtoMajor > 1 || slices.Contains(resp.TransferEncoding, "chunked"),
		Body:       body,
	}
	if id := resp.Header.Get("X-Fedscrape-Worker"); len(id) <= maxWorkerID {
		r.WorkerID = id
	}
	start, err := strconv.ParseFloat(strings.TrimSpace(resp.Header.Get("X-Fedscrape-Start")), 64)
	if err == nil && start > 0 && !math.IsInf(start, 0) {
		r.StartTime = start
	}
	return r
}
