package discovery

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	promconfig "github.com/prometheus/common/config"
	"github.com/prometheus/common/model"
)

// ConsulOptions has every key of Prometheus' consul_sd_config with its meaning and default, but for refresh_interval,
// and local.
type ConsulOptions struct {
	Server       string            `yaml:"server,omitempty"`
	PathPrefix   string            `yaml:"path_prefix,omitempty"`
	Token        promconfig.Secret `yaml:"token,omitempty"`
	Datacenter   string            `yaml:"datacenter,omitempty"`
	Namespace    string            `yaml:"namespace,omitempty"`
	Partition    string            `yaml:"partition,omitempty"`
	TagSeparator string            `yaml:"tag_separator,omitempty"`
	Scheme       string            `yaml:"scheme,omitempty"`
	Username     string            `yaml:"username,omitempty"`
	Password     promconfig.Secret `yaml:"password,omitempty"`
	AllowStale   bool              `yaml:"allow_stale"`
	// RefreshInterval is the least time between fetches. The default is 0s and not Prometheus' 30s, in which a worker
	// may come and go unseen.
	RefreshInterval model.Duration `yaml:"refresh_interval,omitempty"`
	// Services are the names to watch; none: all.
	Services []string `yaml:"services,omitempty"`
	// Tags must all be on a registration.
	Tags         []string          `yaml:"tags,omitempty"`
	NodeMeta     map[string]string `yaml:"node_meta,omitempty"`
	Filter       string            `yaml:"filter,omitempty"`
	HealthFilter string            `yaml:"health_filter,omitempty"`
	// Local takes the workers of the agent's own node only, and watches only it: other nodes' changes wake nothing. With
	// filter or health_filter Consul leaves the others out of its answers, but still wakes the watch when they change.
	Local bool `yaml:"local,omitempty"`

	HTTPClientConfig promconfig.HTTPClientConfig `yaml:",inline"`
}

// DefaultConsulOptions are those of a consul_sd_config that says nothing.
func DefaultConsulOptions() ConsulOptions {
	return ConsulOptions{
		Server:           "localhost:8500",
		TagSeparator:     ",",
		Scheme:           "http",
		AllowStale:       true,
		HTTPClientConfig: promconfig.DefaultHTTPClientConfig,
	}
}

// UnmarshalYAML implements yaml.Unmarshaler.
func (o *ConsulOptions) UnmarshalYAML(unmarshal func(any) error) error {
	*o = DefaultConsulOptions()
	type plain ConsulOptions
	return unmarshal((*plain)(o))
}

// Validate checks the options.
func (o *ConsulOptions) Validate() error {
	if strings.TrimSpace(o.Server) == "" {
		return errors.New("server: is empty (default localhost:8500)")
	}
	if scheme, _, ok := strings.Cut(o.Server, "://"); ok && scheme != "http" && scheme != "https" && scheme != "unix" {
		return fmt.Errorf("server: its scheme is %q, not http, https or unix", scheme)
	}
	if o.Scheme != "http" && o.Scheme != "https" {
		return fmt.Errorf("scheme: %q is neither http nor https", o.Scheme)
	}
	if slices.Contains(o.Services, "") {
		return errors.New("services: a name is empty; leave services out to watch all")
	}
	if (o.Username != "" || o.Password != "") && o.HTTPClientConfig.BasicAuth != nil {
		return errors.New("username, password: basic_auth is set too; leave one of them out")
	}
	if o.Token != "" && (o.HTTPClientConfig.Authorization != nil || o.HTTPClientConfig.OAuth2 != nil) {
		return errors.New("token: authorization or oauth2 is set too; leave one of them out")
	}
	client := o.httpClientConfig()
	return client.Validate()
}

// httpClientConfig is the client's, with username and password in their place.
func (o *ConsulOptions) httpClientConfig() promconfig.HTTPClientConfig {
	client := o.HTTPClientConfig
	if o.Username != "" || o.Password != "" {
		client.BasicAuth = &promconfig.BasicAuth{Username: o.Username, Password: o.Password}
	}
	return client
}
