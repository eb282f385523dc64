package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/fedscrape/fedscrape/discovery"
)

// federatorTargets lists what the federator lists.
type federatorTargets struct {
	client *federatorClient
	mode   string
	job    string
	ticks  chan struct{}
}

// run is a clock: a federator tells nobody that its list has changed.
func (t *federatorTargets) run(ctx context.Context) error {
	defer t.client.close()
	ticker := time.NewTicker(targetsInterval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
		select {
		case t.ticks <- struct{}{}:
		default: // the last question is not answered yet
		}
	}
}

func (t *federatorTargets) changed() <-chan struct{} { return t.ticks }

func (t *federatorTargets) groups(ctx context.Context) ([]discovery.Group, error) {
	query := url.Values{}
	if t.job != "" {
		query.Set("job", t.job)
	}
	body, err := t.client.ask(ctx, http.MethodGet, "/sd/"+t.mode, query, maxAnswer)
	if answer, ok := errors.AsType[*answerError](err); ok && answer.status == http.StatusServiceUnavailable {
		return nil, notYetError{err}
	}
	if err != nil {
		return nil, err
	}
	var groups []discovery.Group
	if err := json.Unmarshal(body, &groups); err != nil || groups == nil {
		return nil, fmt.Errorf("what answers at %s gives no list of targets: is it a federator?", t.client.name())
	}
	return groups, nil
}
