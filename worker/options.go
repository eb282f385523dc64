package worker

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Options say what Register registers. Job is needed, and one of Gatherer, Handler and Port.
type Options struct {
	// Job is the service's name in Consul; FEDSCRAPE_JOB where empty.
	Job string
	// Instance is the application instance; FEDSCRAPE_INSTANCE where empty, else the host's name.
	Instance string
	// WorkerID is the worker's stable name in its instance; FEDSCRAPE_WORKER_ID where empty, else the lowest free slot.
	WorkerID string
	// Address is the host that the federator reaches the endpoint at, never the wildcard; FEDSCRAPE_ADDRESS where
	// empty, else the local address of the route to the agent.
	Address string
	// Port is that of an endpoint which is served elsewhere: by this process, behind [Worker.Handler], or by another.
	// With 0, Register serves Handler or Gatherer on an ephemeral port.
	Port int
	// MetricsPath is the endpoint's; /metrics where empty.
	MetricsPath string
	// Scheme is that of an endpoint which is served elsewhere; http where empty.
	Scheme string

	// Gatherer gives the final snapshot, and the page where Handler is nil.
	Gatherer prometheus.Gatherer
	// Handler serves the page.
	Handler http.Handler

	// PID is the process whose endpoint it is, this one where 0, and StartTime when that process started, taken from
	// the kernel where zero.
	PID       int
	StartTime time.Time

	// Consul is the agent's address, in the forms of CONSUL_HTTP_ADDR, which it beats; 127.0.0.1:8500 where neither is set.
	Consul string
	// FederatorURL is where the final snapshot goes; FEDSCRAPE_URL where empty, and no final snapshot where neither is set.
	FederatorURL string
	// TTL is the check's, 15s where 0; a heartbeat goes out each third of it.
	TTL time.Duration
	// Logger is slog.Default() where nil.
	Logger *slog.Logger
}

// Validate tells what keeps Register from registering with these options, as far as nothing has to be asked for it.
func (o Options) Validate() error {
	o, err := o.withDefaults()
	if err != nil {
		return err
	}
	agent, err := newAgent(o)
	if err != nil {
		return err
	}
	agent.close()
	return nil
}

// withDefaults fills in what is not set, from the environment first.
func (o Options) withDefaults() (Options, error) {
	host, err := os.Hostname()
	if err != nil {
		return o, fmt.Errorf("read the host's name: %w", err)
	}
	o.Job = first(o.Job, os.Getenv("FEDSCRAPE_JOB"))
	o.Instance = first(o.Instance, os.Getenv("FEDSCRAPE_INSTANCE"), host)
	o.WorkerID = first(o.WorkerID, os.Getenv("FEDSCRAPE_WORKER_ID"))
	o.Address = first(o.Address, os.Getenv("FEDSCRAPE_ADDRESS"))
	o.Consul = first(o.Consul, os.Getenv("CONSUL_HTTP_ADDR"), "127.0.0.1:8500")
	o.FederatorURL = first(o.FederatorURL, os.Getenv("FEDSCRAPE_URL"))
	o.MetricsPath = first(o.MetricsPath, "/metrics")
	o.Scheme = first(o.Scheme, "http")
	if o.PID == 0 {
		o.PID = os.Getpid()
	}
	if o.TTL == 0 {
		o.TTL = 15 * time.Second
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	return o, o.validate()
}

func (o Options) validate() error {
	if o.Job == "" {
		return errors.New("no job: set Options.Job or FEDSCRAPE_JOB")
	}
	if o.Gatherer == nil && o.Handler == nil && o.Port == 0 {
		return errors.New("nothing to register: set Gatherer, Handler or Port")
	}
	if o.Port < 0 || o.Port > 65535 {
		return fmt.Errorf("port %d is not between 1 and 65535", o.Port)
	}
	if ip := net.ParseIP(o.Address); ip != nil && ip.IsUnspecified() {
		return fmt.Errorf("address %s is the wildcard: give one that the federator can reach", o.Address)
	}
	if o.TTL < 0 {
		return fmt.Errorf("negative TTL %s", o.TTL)
	}
	if o.Scheme != "http" && o.Scheme != "https" {
		return fmt.Errorf("scheme %q is neither http nor https", o.Scheme)
	}
	return validateURL(o.FederatorURL)
}

// validateURL never repeats what it was given: it may hold a password.
func validateURL(text string) error {
	u, err := url.Parse(text)
	if text != "" && (err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "") {
		return errors.New("the federator's URL is not like http://host:9390")
	}
	return nil
}

// first is the first that is not empty.
func first(texts ...string) string {
	for _, text := range texts {
		if text != "" {
			return text
		}
	}
	return ""
}
