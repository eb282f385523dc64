package scraper

import (
	"errors"
	"fmt"
	"time"

	promconfig "github.com/prometheus/common/config"
	"github.com/prometheus/common/model"
)

// Options steer the scrapes of one job; the keys are those of Prometheus' scrape_config. The zero value is not ready:
// start from NewOptions. A limit of 0 is no limit, as in Prometheus.
type Options struct {
	ScrapeTimeout   model.Duration `yaml:"scrape_timeout"`
	ScrapeProtocols []Protocol     `yaml:"scrape_protocols"`
	// EnableCompression asks workers for gzip. They run on the same host or network and would pay with the CPU time
	// that their requests need, so the default is not to ask.
	EnableCompression bool `yaml:"enable_compression"`
	// BodySizeLimit bounds a body as sent, and again as decoded.
	BodySizeLimit         Bytes `yaml:"body_size_limit"`
	SampleLimit           int   `yaml:"sample_limit"`
	LabelLimit            int   `yaml:"label_limit"`
	LabelNameLengthLimit  int   `yaml:"label_name_length_limit"`
	LabelValueLengthLimit int   `yaml:"label_value_length_limit"`

	HTTPClient promconfig.HTTPClientConfig `yaml:",inline"`
}

// NewOptions gives the defaults of the configuration.
func NewOptions() Options {
	return Options{
		ScrapeTimeout:         model.Duration(10 * time.Second),
		ScrapeProtocols:       []Protocol{OpenMetricsText1_0_0, PrometheusText1_0_0, PrometheusText0_0_4},
		BodySizeLimit:         64 << 20,
		SampleLimit:           100_000,
		LabelLimit:            64,
		LabelNameLengthLimit:  256,
		LabelValueLengthLimit: 4096,
		HTTPClient:            promconfig.HTTPClientConfig{EnableHTTP2: true},
	}
}

// SetDirectory makes relative file names relative to dir, where the configuration file is.
func (o *Options) SetDirectory(dir string) { o.HTTPClient.SetDirectory(dir) }

// Validate checks what the types do not. An error begins with the key it is about where there is one.
func (o *Options) Validate() error {
	if o.ScrapeTimeout <= 0 {
		return errors.New("scrape_timeout: must be more than 0s")
	}
	if err := validateProtocols(o.ScrapeProtocols); err != nil {
		return err
	}
	if err := o.validateLimits(); err != nil {
		return err
	}
	if headers := o.HTTPClient.HTTPHeaders; headers != nil {
		if err := headers.Validate(); err != nil {
			return fmt.Errorf("http_headers: %w", err)
		}
	}
	return o.HTTPClient.Validate()
}

func (o *Options) validateLimits() error {
	for _, limit := range []struct {
		key   string
		value int
	}{
		{"sample_limit", o.SampleLimit},
		{"label_limit", o.LabelLimit},
		{"label_name_length_limit", o.LabelNameLengthLimit},
		{"label_value_length_limit", o.LabelValueLengthLimit},
	} {
		if limit.value < 0 {
			return fmt.Errorf("%s: must not be negative (0 is no limit)", limit.key)
		}
	}
	return nil
}
