package discovery

import (
	"errors"
	"fmt"
	"strings"

	"github.com/prometheus/common/model"
	promdns "github.com/prometheus/prometheus/discovery/dns"
	promfile "github.com/prometheus/prometheus/discovery/file"
	promhttp "github.com/prometheus/prometheus/discovery/http"
	promtargetgroup "github.com/prometheus/prometheus/discovery/targetgroup"
)

// Options are a job's sources, under the keys of a scrape_config. They must not be changed once a Manager has them.
type Options struct {
	Consul []*ConsulOptions         `yaml:"consul_sd_configs,omitempty"`
	Static []*promtargetgroup.Group `yaml:"static_configs,omitempty"`
	File   []*promfile.SDConfig     `yaml:"file_sd_configs,omitempty"`
	HTTP   []*promhttp.SDConfig     `yaml:"http_sd_configs,omitempty"`
	DNS    []*promdns.SDConfig      `yaml:"dns_sd_configs,omitempty"`
}

// Validate checks what decoding has not.
func (o *Options) Validate() error {
	return errors.Join(
		each("consul_sd_configs", o.Consul, (*ConsulOptions).Validate),
		each("static_configs", o.Static, validateStatic),
		each("file_sd_configs", o.File, decoded),
		each("http_sd_configs", o.HTTP, decoded),
		each("dns_sd_configs", o.DNS, decoded),
	)
}

// SetDirectory makes the file names in the options relative to dir, which is the configuration file's.
func (o *Options) SetDirectory(dir string) {
	for _, c := range o.Consul {
		c.HTTPClientConfig.SetDirectory(dir)
	}
	for _, c := range o.File {
		c.SetDirectory(dir)
	}
	for _, c := range o.HTTP {
		c.SetDirectory(dir)
	}
}

func each[T any](key string, configs []*T, validate func(*T) error) error {
	for i, c := range configs {
		if c == nil {
			return fmt.Errorf("%s[%d]: is empty", key, i)
		}
		if err := validate(c); err != nil {
			return fmt.Errorf("%s[%d]: %w", key, i, err)
		}
	}
	return nil
}

// decoded accepts what Prometheus' own types have checked when they were decoded.
func decoded[T any](*T) error { return nil }

// validateStatic finds what Prometheus finds when it reads its configuration: an URL in the place of an address.
func validateStatic(group *promtargetgroup.Group) error {
	for i, target := range group.Targets {
		if address := string(target[model.AddressLabel]); strings.Contains(address, "/") {
			return fmt.Errorf("targets[%d]: %q is not host:port; scheme and metrics_path are keys of the job", i, address)
		}
	}
	return nil
}

// Limits bound what the sources of a job may bring.
type Limits struct {
	// TargetLimit is how many targets a job may have after relabeling, 0 for any number. Above it the last list stands.
	TargetLimit int `yaml:"target_limit,omitempty"`
}

// DefaultLimits are those of a job that says nothing.
func DefaultLimits() Limits { return Limits{TargetLimit: 4096} }

// Validate checks the limits.
func (l *Limits) Validate() error {
	if l.TargetLimit < 0 {
		return fmt.Errorf("target_limit: %d is less than 0", l.TargetLimit)
	}
	return nil
}
