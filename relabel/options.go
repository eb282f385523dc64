package relabel

import (
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/prometheus/common/model"
	promrelabel "github.com/prometheus/prometheus/model/relabel"
)

// Options say how a job's targets and series are relabeled, under the names of a scrape_config. Validate must have
// accepted them before they are used; from then on they must not be changed.
type Options struct {
	RelabelConfigs       []*promrelabel.Config `yaml:"relabel_configs,omitempty"`
	MetricRelabelConfigs []*promrelabel.Config `yaml:"metric_relabel_configs,omitempty"`
	WorkerLabel          string                `yaml:"worker_label,omitempty"`
	MetricsPath          string                `yaml:"metrics_path,omitempty"`
	Scheme               string                `yaml:"scheme,omitempty"`
	Params               url.Values            `yaml:"params,omitempty"`
}

// DefaultOptions are those of a job that says nothing.
func DefaultOptions() Options {
	return Options{WorkerLabel: "worker_id", MetricsPath: "/metrics", Scheme: "http"}
}

// Validate checks the options, and sets the rules' validation scheme, without which Prometheus' library panics.
func (o *Options) Validate() error {
	if err := validateRules("relabel_configs", o.RelabelConfigs); err != nil {
		return err
	}
	if err := validateRules("metric_relabel_configs", o.MetricRelabelConfigs); err != nil {
		return err
	}
	if err := ValidateWorkerLabel(o.WorkerLabel); err != nil {
		return err
	}
	if o.MetricsPath == "" {
		return errors.New("metrics_path: is empty (default /metrics)")
	}
	return validateScheme("scheme", o.Scheme)
}

func validateRules(key string, rules []*promrelabel.Config) error {
	for i, rule := range rules {
		if rule == nil {
			return fmt.Errorf("%s[%d]: empty rule", key, i)
		}
		if err := rule.Validate(model.UTF8Validation); err != nil {
			return fmt.Errorf("%s[%d]: %w", key, i, err)
		}
	}
	return nil
}

// ValidateWorkerLabel refuses the names that mean something else: a worker label le would make buckets of gauges.
func ValidateWorkerLabel(name string) error {
	switch name {
	case "":
		return errors.New("worker_label: is empty (default worker_id)")
	case model.JobLabel, model.InstanceLabel, model.BucketLabel, model.QuantileLabel:
		return fmt.Errorf("worker_label: %q has another meaning; take a name such as worker_id", name)
	}
	if strings.HasPrefix(name, model.ReservedLabelPrefix) || !model.UTF8Validation.IsValidLabelName(name) {
		return fmt.Errorf("worker_label: %q cannot be the name of a label; take a name such as worker_id", name)
	}
	return nil
}

func validateScheme(key, scheme string) error {
	if scheme != "http" && scheme != "https" {
		return fmt.Errorf("%s: %q is neither http nor https", key, scheme)
	}
	return nil
}
