package scraper

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
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
	plain   *plain // nil where the options ask for more than it does
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
	c := &Client{options: o, http: client, accept: acceptHeader(o.ScrapeProtocols)}
	if isPlain(o.HTTPClient) {
		c.plain = &plain{dial: new(net.Dialer).DialContext, request: c.plainRequest}
	}
	return c, nil
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
func (c *Client) Close() {
	c.http.CloseIdleConnections()
	if c.plain != nil {
		c.plain.idle.close()
	}
}

// Fetch asks url once and gives a good answer to handle, which reads its body. timeout bounds the whole, body
// included; 0 is the job's scrape_timeout. The error is an *Error, or handle's own as it is.
func (c *Client) Fetch(ctx context.Context, url string, timeout time.Duration, handle func(*Response) error) error {
	limit := c.deadline(timeout)
	if c.plain != nil {
		if t := c.plain.target(url, limit.timeout); t != nil {
			return c.fetchPlain(ctx, t, limit, handle)
		}
	}
	ctx, cancel := context.WithDeadline(ctx, limit.end)
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
	return c.receive(ctx, limit, newAnswer(resp), handle)
}

func (c *Client) fetchPlain(ctx context.Context, t *target, limit deadline, handle func(*Response) error) error {
	x, err := c.plain.ask(ctx, t, limit)
	if err != nil {
		return failure(ctx, limit, "no answer", ResultRefused, err)
	}
	defer x.close()
	return c.receive(ctx, limit, x.answer(), handle)
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

// plainRequest has what promconfig adds to a request on its way as well.
func (c *Client) plainRequest(ctx context.Context, url string, timeout time.Duration) (*http.Request, error) {
	req, err := c.request(ctx, url, timeout)
	if err != nil {
		return nil, err
	}
	req.Header.Set("User-Agent", userAgent())
	addHeaders(req.Header, c.options.HTTPClient.HTTPHeaders)
	return req, nil
}

// answer is what a response says, whoever read it.
type answer struct {
	status                        int
	contentType, encoding, worker string
	start                         float64
	length                        int64 // of the body as sent; -1 where it was not told
	told                          bool  // that the end of the body is known for sure
	body                          io.Reader
}

func newAnswer(resp *http.Response) answer {
	a := answer{
		status:      resp.StatusCode,
		contentType: resp.Header.Get("Content-Type"),
		encoding:    resp.Header.Get("Content-Encoding"),
		start:       startTime(resp.Header.Get("X-Fedscrape-Start")),
		length:      resp.ContentLength,
		// HTTP/2 ends each stream with a frame that says so.
		told: resp.ContentLength >= 0 || resp.ProtoMajor > 1 || slices.Contains(resp.TransferEncoding, "chunked"),
		body: resp.Body,
	}
	if id := resp.Header.Get("X-Fedscrape-Worker"); len(id) <= maxWorkerID {
		a.worker = id
	}
	return a
}

func startTime(text string) float64 {
	if text == "" {
		return 0 // most workers; an error of strconv costs memory
	}
	start, err := strconv.ParseFloat(strings.TrimSpace(text), 64)
	if err != nil || !(start > 0) || math.IsInf(start, 0) {
		return 0
	}
	return start
}

func (c *Client) receive(ctx context.Context, limit deadline, a answer, handle func(*Response) error) error {
	if err := checkStatus(a.status); err != nil {
		return err
	}
	body, err := c.newBody(ctx, limit, &a)
	if err != nil {
		return err
	}
	err = handle(&Response{
		ContentType: a.contentType, WorkerID: a.worker, StartTime: a.start, LengthTold: a.told, Length: body.length, Body: body,
	})
	if err != nil {
		return err
	}
	return body.finish()
}
