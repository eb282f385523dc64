package relabel

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	promrelabel "github.com/prometheus/prometheus/model/relabel"
)

// NewTarget gives what Prometheus would make of a discovered target, and who it is. keep is false where a rule drops
// it. An error is one of this target alone.
func NewTarget(discovered map[string]string, opts *Options, job string, kind Kind) (target Target, keep bool, err error) {
	builder := populate(discovered, opts, job, kind)
	if !promrelabel.ProcessBuilder(builder, opts.RelabelConfigs...) {
		return Target{}, false, nil
	}
	address := builder.Get(model.AddressLabel)
	if err := checkAddress(address); err != nil {
		return Target{}, false, err
	}
	scheme := builder.Get(model.SchemeLabel)
	if err := validateScheme(model.SchemeLabel, scheme); err != nil {
		return Target{}, false, err
	}
	identity := identify(builder, discovered, opts, job, kind)
	if identity.Instance == "" || identity.WorkerID == "" {
		return Target{}, false, errors.New("neither a rule nor the registration tells instance and worker")
	}
	lset := builder.Labels()
	if err := checkLabels(lset); err != nil {
		return Target{}, false, err
	}
	return Target{
		Identity:    identity,
		Scheme:      scheme,
		Address:     address,
		MetricsPath: absolute(lset.Get(model.MetricsPathLabel)),
		Params:      encodeParams(lset, opts.Params),
		Labels:      visible(lset),
	}, true, nil
}

// populate gives the labels that the rules see: the discovered ones, and what a scrape_config adds where they say
// nothing.
func populate(discovered map[string]string, opts *Options, job string, kind Kind) *labels.Builder {
	builder := labels.NewBuilder(labels.EmptyLabels())
	for name, value := range discovered {
		builder.Set(name, value)
	}
	scheme, path := kind.beforeRules(discovered)
	setMissing(builder, model.JobLabel, job)
	setMissing(builder, model.SchemeLabel, firstOf(scheme, opts.Scheme))
	setMissing(builder, model.MetricsPathLabel, firstOf(path, opts.MetricsPath))
	for name, values := range opts.Params {
		if len(values) > 0 {
			setMissing(builder, model.ParamLabelPrefix+name, values[0])
		}
	}
	return builder
}

func setMissing(builder *labels.Builder, name, value string) {
	if builder.Get(name) == "" {
		builder.Set(name, value)
	}
}

// identify fills in what the rules have left open.
func identify(builder *labels.Builder, discovered map[string]string, opts *Options, job string, kind Kind) Identity {
	instance, workerID := kind.afterRules(discovered, builder.Get(model.AddressLabel))
	setMissing(builder, model.JobLabel, job)
	setMissing(builder, model.InstanceLabel, instance)
	setMissing(builder, opts.WorkerLabel, workerID)
	return Identity{
		Job:      builder.Get(model.JobLabel),
		Instance: builder.Get(model.InstanceLabel),
		WorkerID: builder.Get(opts.WorkerLabel),
	}
}

// checkAddress is stricter than Prometheus, which fails such targets at each scrape: Consul takes any port, 0 and
// 65536 too, and a worker that says no port has not said where it is.
func checkAddress(address string) error {
	if address == "" {
		return errors.New("no address")
	}
	host, port, err := net.SplitHostPort(address)
	if err != nil || host == "" || strings.ContainsAny(host, "/\\@?#\" \t\r\n") {
		return fmt.Errorf("address %q is not host:port", address)
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
		return fmt.Errorf("address %q: the port is not one of 1 to 65535", address)
	}
	return nil
}

func checkLabels(lset labels.Labels) error {
	return lset.Validate(func(l labels.Label) error {
		if !model.UTF8Validation.IsValidLabelName(l.Name) {
			return fmt.Errorf("%q cannot be the name of a label", l.Name)
		}
		if !model.LabelValue(l.Value).IsValid() {
			return fmt.Errorf("the value %q of label %q is not UTF-8", l.Value, l.Name)
		}
		return nil
	})
}

func absolute(path string) string {
	if strings.HasPrefix(path, "/") {
		return path
	}
	return "/" + path
}

// encodeParams lets a label __param_x stand for the first value of x, and keeps the further ones, as Prometheus does.
func encodeParams(lset labels.Labels, params url.Values) string {
	query := url.Values{}
	for name, values := range params {
		query[name] = append([]string(nil), values...)
	}
	lset.Range(func(l labels.Label) {
		name, ok := strings.CutPrefix(l.Name, model.ParamLabelPrefix)
		switch {
		case !ok:
		case len(query[name]) > 0:
			query[name][0] = l.Value
		default:
			query[name] = []string{l.Value}
		}
	})
	return query.Encode()
}

func visible(lset labels.Labels) map[string]string {
	out := make(map[string]string, lset.Len())
	lset.Range(func(l labels.Label) {
		if !strings.HasPrefix(l.Name, model.ReservedLabelPrefix) {
			out[l.Name] = l.Value
		}
	})
	return out
}
