package config

import (
	"fmt"
	"io"
	"net/url"
	"os"

	promconfig "github.com/prometheus/common/config"
	"go.yaml.in/yaml/v3"

	"github.com/fedscrape/fedscrape/discovery/publish"
)

// maxSize bounds what is read; a configuration of ten thousand jobs is smaller.
const maxSize = 16 << 20

// Config is what a file says, defaults and global filled in. It must not be changed once it is in use.
type Config struct {
	Jobs []*Job
	// Publish is where the merged instances are registered.
	Publish []*publish.Options
	// Warnings are for a person to read: what is allowed, and probably not meant.
	Warnings []string
}

// Load reads a file.
func Load(path string) (*Config, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read the configuration: %w", err)
	}
	defer func() { _ = f.Close() }()
	data, err := io.ReadAll(io.LimitReader(f, maxSize+1))
	if err != nil {
		return nil, fmt.Errorf("read the configuration: %w", err)
	}
	return Parse(path, data)
}

// Parse reads the text of a file. File names in it are relative to filename's directory. An error of the text is
// Errors.
func Parse(filename string, data []byte) (*Config, error) {
	if len(data) > maxSize {
		return nil, Errors{{File: filename, Line: 1, Message: "larger than 16MB"}}
	}
	r := &report{file: filename}
	root := r.readTree(data)
	if root == nil {
		return nil, r.errors()
	}
	r.checkKeys(root, fileType, "")
	r.checkValues(root, fileType, "", root.Line)
	if len(r.found) > 0 {
		return nil, r.errors()
	}
	cfg := r.build(root)
	if len(r.found) > 0 {
		return nil, r.errors()
	}
	cfg.setDirectory(filename)
	cfg.Warnings = warnings(cfg)
	return cfg, nil
}

// build makes the jobs out of a tree whose keys and values are good one by one.
func (r *report) build(root *yaml.Node) *Config {
	global := child(root, "global")
	r.validateGlobal(global)
	jobs := child(root, "federate_configs")
	if jobs == nil || len(jobs.Content) == 0 {
		r.add(root.Line, "federate_configs", "is missing; without a job there is nothing to scrape")
		return nil
	}
	cfg := &Config{Publish: r.buildPublish(root)}
	lines := map[string]int{}
	for i, node := range jobs.Content {
		path := fmt.Sprintf("federate_configs[%d]", i)
		if job := r.buildJob(global, resolve(node), path); job != nil {
			r.checkName(lines, job.JobName, resolve(node), path)
			cfg.Jobs = append(cfg.Jobs, job)
		}
	}
	return cfg
}

func (r *report) checkName(lines map[string]int, name string, node *yaml.Node, path string) {
	line := node.Line
	if key := child(node, "job_name"); key != nil {
		line = key.Line
	}
	switch first, twice := lines[name]; {
	case name == "":
		r.add(line, path+".job_name", "is missing")
	case twice:
		r.add(line, path+".job_name", fmt.Sprintf("%q is the name of the job in line %d too", name, first))
	default:
		lines[name] = line
	}
}

// String gives the configuration in force as YAML, secrets hidden.
func (c *Config) String() string {
	out := file{Publish: c.Publish}
	for _, job := range c.Jobs {
		shown := *job
		shown.Discovery.HTTP = nil
		for _, sd := range job.Discovery.HTTP {
			copied := *sd
			copied.URL = redact(sd.URL)
			shown.Discovery.HTTP = append(shown.Discovery.HTTP, &copied)
		}
		out.FederateConfigs = append(out.FederateConfigs, shown)
	}
	b, err := yaml.Marshal(out)
	if err != nil {
		return fmt.Sprintf("# cannot be shown: %v\n", err)
	}
	return string(b)
}

// redact hides the password of a URL, which Prometheus' own type leaves in.
func redact(s string) string {
	u, err := url.Parse(s)
	if err != nil {
		return ""
	}
	return promconfig.URL{URL: u}.Redacted()
}
