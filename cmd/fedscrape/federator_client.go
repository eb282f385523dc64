package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/urfave/cli/v2"
)

const (
	// maxAnswer bounds what is read of a federator's list; 50,000 workers need a tenth of it.
	maxAnswer = 128 << 20
	// maxReason bounds what is shown of another answer.
	maxReason = 4 << 10
	// federatorTimeout bounds one question.
	federatorTimeout = 10 * time.Second
)

func federatorFlag(usage string, envVars []string) cli.Flag {
	return &cli.StringFlag{Name: "federator.url", EnvVars: envVars, Usage: usage}
}

// federatorClient asks a federator. It must not be changed once it is made.
type federatorClient struct {
	base *url.URL
	http *http.Client
}

// newFederatorClient never repeats what it was given: it may hold a password.
func newFederatorClient(text string) (*federatorClient, error) {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || u.RawQuery != "" || u.Fragment != "" {
		return nil, usagef("--federator.url: want http(s)://[USER:PASSWORD@]HOST[:PORT][/PATH]")
	}
	return &federatorClient{u, &http.Client{
		Timeout: federatorTimeout,
		// Somebody else's address gets neither the question nor the password.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}, nil
}

// answerError is an answer other than the one that was asked for.
type answerError struct {
	federator string
	status    int
	reason    string
}

func (e *answerError) Error() string {
	return fmt.Sprintf("the federator at %s answers %d: %s", e.federator, e.status, e.reason)
}

// ask sends one request, and reads the answer's body, of limit bytes at most.
func (c *federatorClient) ask(ctx context.Context, method, path string, query url.Values, limit int64) ([]byte, error) {
	u := c.base.JoinPath(path)
	u.RawQuery = query.Encode()
	req, err := http.NewRequestWithContext(ctx, method, u.String(), http.NoBody)
	if err != nil {
		return nil, fmt.Errorf("ask the federator at %s: %w", c.name(), err)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		if in, ok := errors.AsType[*url.Error](err); ok {
			err = in.Err // its URL has the query in it, which says nothing more
		}
		return nil, fmt.Errorf("ask the federator at %s: %w", c.name(), err)
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		return nil, c.refused(resp)
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, limit+1))
	if err != nil {
		return nil, fmt.Errorf("read the answer of the federator at %s: %w", c.name(), err)
	}
	if int64(len(body)) > limit {
		return nil, fmt.Errorf("the answer of the federator at %s is larger than %dMB; narrow it with --job", c.name(), limit>>20)
	}
	return body, nil
}

// name is the federator's address without user and password.
func (c *federatorClient) name() string { return c.base.Scheme + "://" + c.base.Host + c.base.Path }

func (c *federatorClient) close() { c.http.CloseIdleConnections() }

// refused takes the reason from the envelope of the API, else from the text.
func (c *federatorClient) refused(resp *http.Response) error {
	body, _ := io.ReadAll(io.LimitReader(resp.Body, maxReason))
	reason := strings.TrimSpace(string(body))
	var envelope struct {
		Error string `json:"error"`
	}
	if json.Unmarshal(body, &envelope) == nil && envelope.Error != "" {
		reason = envelope.Error
	}
	if to := resp.Header.Get("Location"); resp.StatusCode/100 == 3 && to != "" {
		reason = "it sends us on, give the URL that it means"
	}
	if reason == "" {
		reason = http.StatusText(resp.StatusCode)
	}
	return &answerError{c.name(), resp.StatusCode, reason}
}
