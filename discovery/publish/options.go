package publish

import (
	"errors"
	"fmt"
	"regexp"
	"strings"

	promconfig "github.com/prometheus/common/config"

	"github.com/fedscrape/fedscrape/discovery"
)

// Options are an entry of publish: a connection to Consul with the keys of a consul_sd_config, and the service's name.
// They must not be changed once a Publisher has them.
type Options struct {
	Server     string            `yaml:"server,omitempty"`
	PathPrefix string            `yaml:"path_prefix,omitempty"`
	Token      promconfig.Secret `yaml:"token,omitempty"`
	Namespace  string            `yaml:"namespace,omitempty"`
	Partition  string            `yaml:"partition,omitempty"`
	// Datacenter is taken because consul_sd_configs have it. An agent registers in its own.
	Datacenter string            `yaml:"datacenter,omitempty"`
	Scheme     string            `yaml:"scheme,omitempty"`
	Username   string            `yaml:"username,omitempty"`
	Password   promconfig.Secret `yaml:"password,omitempty"`
	// Service is the name to register under.
	Service string `yaml:"service,omitempty"`

	HTTPClientConfig promconfig.HTTPClientConfig `yaml:",inline"`
}

var serviceName = regexp.MustCompile(`^[A-Za-z0-9._-]{1,128}$`)

// DefaultOptions are those of an entry that says nothing.
func DefaultOptions() Options {
	o := discovery.DefaultConsulOptions()
	return Options{Server: o.Server, Scheme: o.Scheme, Service: "fedscrape", HTTPClientConfig: o.HTTPClientConfig}
}

// UnmarshalYAML implements yaml.Unmarshaler.
func (o *Options) UnmarshalYAML(unmarshal func(any) error) error {
	*o = DefaultOptions()
	type plain Options
	return unmarshal((*plain)(o))
}

// Validate checks the options.
func (o *Options) Validate() error {
	if !serviceName.MatchString(o.Service) {
		return fmt.Errorf("service: %q is not a name of letters, digits and - _ . (default fedscrape)", o.Service)
	}
	if strings.Contains(o.Server, "@") {
		return errors.New("server: has a user or password in it, which the log would show; set username and password")
	}
	return o.consul().Validate()
}

// ValidateAll checks each entry, and that no two of them would register the same services.
func ValidateAll(all []*Options) error {
	var errs []error
	first := map[place]int{}
	for i, o := range all {
		if o == nil {
			errs = append(errs, fmt.Errorf("publish[%d]: is empty", i))
			continue
		}
		if err := o.Validate(); err != nil {
			errs = append(errs, fmt.Errorf("publish[%d]: %w", i, err))
		}
		if j, twice := first[o.place()]; twice {
			errs = append(errs, fmt.Errorf("publish[%d]: has the server and service of publish[%d]; leave one out", i, j))
			continue
		}
		first[o.place()] = i
	}
	return errors.Join(errs...)
}

// SetDirectory makes the file names in the options relative to dir, which is the configuration file's.
func (o *Options) SetDirectory(dir string) { o.HTTPClientConfig.SetDirectory(dir) }

// place is where an entry's services stand. Two entries with one place would take each other's away.
type place struct{ server, pathPrefix, namespace, partition, service string }

func (o *Options) place() place {
	return place{o.Server, o.PathPrefix, o.Namespace, o.Partition, o.Service}
}

// consul is the connection as discovery has it.
func (o *Options) consul() *discovery.ConsulOptions {
	c := discovery.DefaultConsulOptions()
	c.Server, c.PathPrefix, c.Token = o.Server, o.PathPrefix, o.Token
	c.Namespace, c.Partition, c.Scheme = o.Namespace, o.Partition, o.Scheme
	c.Username, c.Password, c.HTTPClientConfig = o.Username, o.Password, o.HTTPClientConfig
	return &c
}
