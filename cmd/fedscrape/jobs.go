package main

import (
	"fmt"
	"time"

	"github.com/fedscrape/fedscrape/config"
	"github.com/fedscrape/fedscrape/discovery"
	"github.com/fedscrape/fedscrape/exposition"
	"github.com/fedscrape/fedscrape/federator"
	"github.com/fedscrape/fedscrape/relabel"
	"github.com/fedscrape/fedscrape/scraper"
)

// federatorJobs translates the configuration for the federator: the one place that knows both.
func federatorJobs(cfg *config.Config) ([]*federator.Job, error) {
	jobs := make([]*federator.Job, 0, len(cfg.Jobs))
	for _, j := range cfg.Jobs {
		s := &j.Settings
		client, err := scraper.NewClient(s.Scraper)
		if err != nil {
			for _, made := range jobs {
				made.Close()
			}
			return nil, fmt.Errorf("job %q: %w", j.JobName, err)
		}
		jobs = append(jobs, &federator.Job{
			Name: j.JobName, Merge: s.MergeOptions(), Fetcher: client, Close: client.Close,
			Metric: relabel.NewMetric(s.Relabel.MetricRelabelConfigs),
			Limits: exposition.Limits{
				Samples: s.Scraper.SampleLimit, Labels: s.Scraper.LabelLimit,
				LabelNameLength: s.Scraper.LabelNameLengthLimit, LabelValueLength: s.Scraper.LabelValueLengthLimit,
			},
			BodySizeLimit: int64(s.Scraper.BodySizeLimit),
			ScrapeTimeout: time.Duration(s.Scraper.ScrapeTimeout), SweepInterval: time.Duration(s.SweepInterval),
			MaxAge: time.Duration(s.MaxAge), ServeEmpty: s.WhenEmpty == config.WhenEmptyServe,
		})
	}
	return jobs, nil
}

// discoveryJobs is the same for the discovery.
func discoveryJobs(cfg *config.Config) []discovery.Job {
	jobs := make([]discovery.Job, 0, len(cfg.Jobs))
	for _, j := range cfg.Jobs {
		jobs = append(jobs, discovery.Job{
			Name: j.JobName, Discovery: j.Discovery, Limits: j.Settings.Limits, Relabel: j.Settings.Relabel,
		})
	}
	return jobs
}
