package config

import (
	"errors"
	"fmt"
	"time"

	"github.com/prometheus/common/model"
	"go.yaml.in/yaml/v3"

	"github.com/fedscrape/fedscrape/discovery"
	"github.com/fedscrape/fedscrape/discovery/publish"
	"github.com/fedscrape/fedscrape/merge"
	"github.com/fedscrape/fedscrape/relabel"
	"github.com/fedscrape/fedscrape/scraper"
)

// file is the shape of the file.
type file struct {
	Global          *Settings          `yaml:"global,omitempty"`
	FederateConfigs []Job              `yaml:"federate_configs"`
	Publish         []*publish.Options `yaml:"publish,omitempty"`
}

// Job is one entry of federate_configs.
type Job struct {
	JobName   string            `yaml:"job_name"`
	Discovery discovery.Options `yaml:",inline"`
	Settings  Settings          `yaml:",inline"`
}

// Settings are what a job has, and global may have.
type Settings struct {
	Relabel       relabel.Options  `yaml:",inline"`
	Scraper       scraper.Options  `yaml:",inline"`
	Limits        discovery.Limits `yaml:",inline"`
	Fold          Fold             `yaml:",inline"`
	WhenEmpty     WhenEmpty        `yaml:"when_empty"`
	SweepInterval model.Duration   `yaml:"sweep_interval"`
	MaxAge        model.Duration   `yaml:"max_age"`
}

// Fold is the file's form of merge.Options, which has no yaml of its own because the fold knows no file.
type Fold struct {
	DefaultGaugeMode  merge.Mode     `yaml:"default_gauge_mode"`
	GaugeModes        []GaugeRule    `yaml:"gauge_modes,omitempty"`
	SummaryQuantiles  string         `yaml:"summary_quantiles"`
	DepartedRetention model.Duration `yaml:"departed_retention"`
	DepartedLimit     int            `yaml:"departed_limit"`
	DepartedGauges    model.Duration `yaml:"departed_gauges"`
	SeriesRetention   model.Duration `yaml:"series_retention"`
	SeriesLimit       int            `yaml:"series_limit"`
	InstanceRetention model.Duration `yaml:"instance_retention"`
}

// GaugeRule is an entry of gauge_modes.
type GaugeRule struct {
	Match merge.Regexp `yaml:"match"`
	Mode  merge.Mode   `yaml:"mode"`
}

// WhenEmpty says what an instance without a worker that is up answers.
type WhenEmpty string

// The values of when_empty.
const (
	WhenEmptyFail  WhenEmpty = "fail"  // 503
	WhenEmptyServe WhenEmpty = "serve" // what the ledger has
)

// UnmarshalText implements encoding.TextUnmarshaler.
func (w *WhenEmpty) UnmarshalText(text []byte) error {
	*w = WhenEmpty(text)
	if *w != WhenEmptyFail && *w != WhenEmptyServe {
		return fmt.Errorf("unknown value %q (%s, %s)", text, WhenEmptyFail, WhenEmptyServe)
	}
	return nil
}

// NewSettings gives the defaults.
func NewSettings() Settings {
	return Settings{
		Relabel:       relabel.DefaultOptions(),
		Scraper:       scraper.NewOptions(),
		Limits:        discovery.DefaultLimits(),
		Fold:          newFold(),
		WhenEmpty:     WhenEmptyFail,
		SweepInterval: model.Duration(time.Minute),
	}
}

// newFold takes the defaults from the package that owns them.
func newFold() Fold {
	o := merge.NewOptions()
	return Fold{
		DefaultGaugeMode:  o.DefaultGaugeMode,
		SummaryQuantiles:  o.SummaryQuantiles,
		DepartedRetention: model.Duration(o.DepartedRetention),
		DepartedLimit:     o.DepartedLimit,
		DepartedGauges:    model.Duration(o.DepartedGauges),
		SeriesRetention:   model.Duration(o.SeriesRetention),
		SeriesLimit:       o.SeriesLimit,
		InstanceRetention: model.Duration(o.InstanceRetention),
	}
}

// MergeOptions are the settings as the fold takes them.
func (s *Settings) MergeOptions() merge.Options {
	o := merge.NewOptions()
	o.WorkerLabel = s.Relabel.WorkerLabel
	o.DefaultGaugeMode = s.Fold.DefaultGaugeMode
	o.SummaryQuantiles = s.Fold.SummaryQuantiles
	o.DepartedRetention = time.Duration(s.Fold.DepartedRetention)
	o.DepartedLimit = s.Fold.DepartedLimit
	o.DepartedGauges = time.Duration(s.Fold.DepartedGauges)
	o.SeriesRetention = time.Duration(s.Fold.SeriesRetention)
	o.SeriesLimit = s.Fold.SeriesLimit
	o.InstanceRetention = time.Duration(s.Fold.InstanceRetention)
	for _, rule := range s.Fold.GaugeModes {
		o.GaugeModes = append(o.GaugeModes, merge.GaugeRule(rule))
	}
	return o
}

// Validate checks what the types do not. The error joins one of each part.
func (s *Settings) Validate() error {
	fold := s.MergeOptions()
	return errors.Join(s.Relabel.Validate(), s.Scraper.Validate(), s.Limits.Validate(), fold.Validate(), s.validateOwn())
}

func (s *Settings) validateOwn() error {
	if s.SweepInterval <= 0 {
		return errors.New("sweep_interval: must be more than 0s")
	}
	if s.Fold.DepartedLimit < 0 {
		return errors.New("departed_limit: must not be negative")
	}
	if s.Fold.SeriesLimit <= 0 {
		return errors.New("series_limit: must be more than 0")
	}
	for i, rule := range s.Fold.GaugeModes {
		if rule.Match.Regexp == nil {
			return fmt.Errorf("gauge_modes[%d].match: is missing", i)
		}
		if rule.Mode == merge.ModeNone {
			return fmt.Errorf("gauge_modes[%d].mode: is missing", i)
		}
	}
	return nil
}

// Validate checks the job.
func (j *Job) Validate() error {
	return errors.Join(j.validateDiscovery(), j.Settings.Validate())
}

func (j *Job) validateDiscovery() error {
	d := &j.Discovery
	if len(d.Consul)+len(d.Static)+len(d.File)+len(d.HTTP)+len(d.DNS) == 0 {
		return errors.New("no discovery; set consul_sd_configs, static_configs, file_sd_configs, http_sd_configs or dns_sd_configs")
	}
	return d.Validate()
}

func (j *Job) setDirectory(dir string) {
	j.Discovery.SetDirectory(dir)
	j.Settings.Scraper.SetDirectory(dir)
}

// buildJob decodes a job over what it inherits and the defaults; nil is an error that is reported.
func (r *report) buildJob(global, node *yaml.Node, path string) *Job {
	if node.Kind != yaml.MappingNode {
		r.add(node.Line, path, "is empty")
		return nil
	}
	whole := inherit(global, node)
	job := &Job{Settings: NewSettings()}
	if err := whole.node.Decode(job); err != nil {
		r.add(node.Line, path, message(err))
		return nil
	}
	r.locate(whole, jobType, path, job.Validate())
	return job
}

// validateGlobal reports what is wrong in global even where no job inherits it.
func (r *report) validateGlobal(global *yaml.Node) {
	if global == nil || global.Kind != yaml.MappingNode {
		return
	}
	settings := NewSettings()
	if err := global.Decode(&settings); err != nil {
		r.add(global.Line, "global", message(err))
		return
	}
	r.locate(inherited{node: global}, settingsType, "global", settings.Validate())
}
