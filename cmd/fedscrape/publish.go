package main

import (
	"os"

	toolkit "github.com/prometheus/exporter-toolkit/web"
	"go.yaml.in/yaml/v2"

	"github.com/fedscrape/fedscrape/discovery"
	"github.com/fedscrape/fedscrape/discovery/publish"
)

func (s *service) newPublisher() *publish.Publisher {
	return publish.New(publish.Parts{Logger: s.logger, Registerer: s.metrics, Instances: s.instances, Endpoint: s.endpoint})
}

// instances asks for completeness first: the other way round, an answer in between would make a list whole that is not.
func (s *service) instances() (known []discovery.InstanceID, whole bool) {
	whole = s.federator.Complete() == nil
	return s.federator.Known(""), whole
}

// endpoint is where others reach the web endpoints, which are open by now.
func (s *service) endpoint() publish.Endpoint {
	hostname, err := os.Hostname()
	if err != nil {
		hostname = "localhost"
	}
	scheme := "http"
	if servesTLS(s.webConfig) {
		scheme = "https"
	}
	return publish.NewEndpoint(hostname, s.external, scheme, s.web.Addrs())
}

// servesTLS reads what the web server has validated.
func servesTLS(file string) bool {
	content, err := os.ReadFile(file)
	if file == "" || err != nil {
		return false
	}
	var c toolkit.Config
	return yaml.Unmarshal(content, &c) == nil && c.TLSConfig.IsEnabled()
}
