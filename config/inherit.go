package config

import (
	"slices"

	"go.yaml.in/yaml/v3"
)

// together are keys that exclude or complete each other. A job that sets one of a group inherits none of it, else a
// job's authorization would meet the basic_auth of global.
var together = [][]string{
	{"basic_auth", "authorization", "oauth2", "bearer_token", "bearer_token_file"},
	{"proxy_url", "no_proxy", "proxy_from_environment", "proxy_connect_header"},
}

// inherited is a job with what it takes from global.
type inherited struct {
	node *yaml.Node
	// from has the keys that are global's.
	from map[string]bool
}

// inherit makes a mapping of the job's keys, and of those of global that it does not set.
func inherit(global, job *yaml.Node) inherited {
	whole := inherited{&yaml.Node{Kind: yaml.MappingNode, Tag: "!!map", Line: job.Line}, map[string]bool{}}
	set := map[string]bool{}
	for _, p := range pairs(job) {
		if !isNull(p.value) {
			set[p.key.Value] = true
			whole.node.Content = append(whole.node.Content, p.key, p.value)
		}
	}
	if global == nil || global.Kind != yaml.MappingNode {
		return whole
	}
	for _, p := range pairs(global) {
		if !isNull(p.value) && !anySet(set, p.key.Value) {
			whole.from[p.key.Value] = true
			whole.node.Content = append(whole.node.Content, p.key, p.value)
		}
	}
	return whole
}

// anySet tells whether the job decides about key, by itself or by one of its group.
func anySet(set map[string]bool, key string) bool {
	if set[key] {
		return true
	}
	for _, group := range together {
		if slices.Contains(group, key) && slices.ContainsFunc(group, func(k string) bool { return set[k] }) {
			return true
		}
	}
	return false
}
