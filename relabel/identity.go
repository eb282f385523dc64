package relabel

import "net/url"

// Identity says where a target belongs: to which worker of which instance of which job.
type Identity struct{ Job, Instance, WorkerID string }

// Target is what relabeling makes of one discovered target. It must be immutable during its lifetime.
type Target struct {
	Identity
	Scheme      string // http or https
	Address     string // host:port
	MetricsPath string
	Params      string // encoded query, without "?"
	// Labels are the target's labels without those that begin with "__"; job, instance and the worker label included.
	Labels map[string]string
}

// URL is what is scraped. The path is escaped as Prometheus escapes it: a "?" in it is no query.
func (t *Target) URL() string {
	u := url.URL{Scheme: t.Scheme, Host: t.Address, Path: t.MetricsPath, RawQuery: t.Params}
	return u.String()
}
