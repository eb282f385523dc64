package config

import (
	"path/filepath"
	"reflect"
	"slices"

	"go.yaml.in/yaml/v3"

	"github.com/fedscrape/fedscrape/discovery"
	"github.com/fedscrape/fedscrape/discovery/publish"
)

// publishingType is the part of the file that publish.ValidateAll speaks of.
var publishingType = reflect.TypeFor[struct {
	Publish []*publish.Options `yaml:"publish"`
}]()

// buildPublish decodes where to publish.
func (r *report) buildPublish(root *yaml.Node) []*publish.Options {
	node := child(root, "publish")
	if node == nil {
		return nil
	}
	var all []*publish.Options
	if err := node.Decode(&all); err != nil {
		r.add(node.Line, "publish", message(err))
		return nil
	}
	r.locate(inherited{node: root}, publishingType, "", publish.ValidateAll(all))
	return all
}

func (c *Config) setDirectory(filename string) {
	dir := filepath.Dir(filename)
	for _, job := range c.Jobs {
		job.setDirectory(dir)
	}
	for _, p := range c.Publish {
		p.SetDirectory(dir)
	}
}

// published looks for what cannot work, and for jobs that would take the published services for workers.
func (w *warner) published(jobs []*Job, all []*publish.Options) {
	for i, p := range all {
		if p.Datacenter != "" {
			w.warn("publish[%d]: datacenter has no effect: an agent registers in its own datacenter", i)
		}
		for _, job := range jobs {
			for _, c := range job.Discovery.Consul {
				if finds(c, p.Service) && len(job.Settings.Relabel.RelabelConfigs) == 0 {
					w.warn("job %q watches the service %q that publish[%d] registers, and would scrape merged instances as workers; name the workers' services",
						job.JobName, p.Service, i)
				}
			}
		}
	}
}

// finds tells whether a discovery, as far as the file shows, takes every registration of a service.
func finds(c *discovery.ConsulOptions, service string) bool {
	if len(c.Tags)+len(c.NodeMeta) > 0 || c.Filter != "" || c.HealthFilter != "" {
		return false
	}
	return len(c.Services) == 0 || slices.Contains(c.Services, service)
}
