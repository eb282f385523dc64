package discovery

import (
	"context"
	"strconv"
	"strings"
	"time"
)

// healthFilter narrows the answer to the agent's own node where the options say local and have a filter besides.
func (r *consulRun) healthFilter(ctx context.Context) (string, error) {
	if !r.options.Local {
		return r.options.HealthFilter, nil
	}
	node, err := r.client.ownNode(ctx)
	if err != nil {
		return "", err
	}
	return both(r.options.HealthFilter, "Node.Node == "+quote(node)), nil
}

// quote writes a string of Consul's filter language, which has Go's escapes but no way to write a quote as \".
func quote(text string) string {
	quoted := strconv.Quote(text)
	return `"` + strings.ReplaceAll(quoted[1:len(quoted)-1], `\"`, `\x22`) + `"`
}

func both(filter, other string) string {
	if filter == "" {
		return other
	}
	return "(" + filter + ") and " + other
}

// wait is how long a question about one service may block; 0 is the client's own bound.
func (r *consulRun) wait() time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.parts) > fewServices {
		return turn
	}
	return 0
}
