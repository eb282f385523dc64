package merge

import (
	"errors"
	"fmt"
	"regexp"
	"time"
)

// Options steer the fold of one job. The zero value is not ready: start from NewOptions.
type Options struct {
	// WorkerLabel names the worker on gauges of mode all and liveall.
	WorkerLabel string
	// DefaultGaugeMode is for gauges that no rule, hint or built-in knows.
	DefaultGaugeMode Mode
	// GaugeModes are tried in order; the first that matches decides.
	GaugeModes []GaugeRule
	// SummaryQuantiles is "drop", or "all" to keep quantiles per worker.
	SummaryQuantiles string
	// DepartedRetention is how long a departed worker is kept apart, so that its return takes it out of the ledger.
	DepartedRetention time.Duration
	// DepartedLimit is how many are kept apart at most.
	DepartedLimit int
	// DepartedGauges is how long the gauges of a departed worker stay under mode all.
	DepartedGauges time.Duration
	// SeriesRetention is how long a cumulative series outlives the last present worker that has it.
	SeriesRetention time.Duration
	// SeriesLimit bounds the series of one instance.
	SeriesLimit int
	// InstanceRetention is how long an instance without workers, and the identity of a folded worker, is remembered.
	InstanceRetention time.Duration
}

// GaugeRule gives the mode of the gauges whose whole name matches.
type GaugeRule struct {
	Match Regexp
	Mode  Mode
}

// Regexp is a regular expression anchored on both sides, as in Prometheus' relabeling.
type Regexp struct {
	*regexp.Regexp
	original string
}

// NewRegexp compiles an anchored regular expression.
func NewRegexp(s string) (Regexp, error) {
	re, err := regexp.Compile("^(?s:" + s + ")$")
	return Regexp{re, s}, err
}

// UnmarshalText implements encoding.TextUnmarshaler.
func (r *Regexp) UnmarshalText(text []byte) (err error) {
	*r, err = NewRegexp(string(text))
	return err
}

// MarshalText implements encoding.TextMarshaler.
func (r Regexp) MarshalText() ([]byte, error) { return []byte(r.original), nil }

// NewOptions gives the defaults of the configuration.
func NewOptions() Options {
	return Options{
		WorkerLabel: "worker_id", DefaultGaugeMode: ModeLiveAll, SummaryQuantiles: "drop",
		DepartedRetention: time.Hour, DepartedLimit: 256, DepartedGauges: 5 * time.Minute,
		SeriesRetention: 24 * time.Hour, SeriesLimit: 1_000_000, InstanceRetention: 7 * 24 * time.Hour,
	}
}

// Validate checks what the types do not.
func (o *Options) Validate() error {
	if o.SummaryQuantiles != "drop" && o.SummaryQuantiles != "all" {
		return fmt.Errorf("summary_quantiles: unknown value %q (drop, all)", o.SummaryQuantiles)
	}
	if o.WorkerLabel == "" {
		return errors.New("worker_label: must not be empty")
	}
	return nil
}
