// Package publish registers each merged instance in Consul, so that Prometheus finds the merged endpoints of any number
// of federators with one consul_sd_config.
//
// # The registration
//
// Name is fedscrape (key service); ID is that of the federator and a hash of job and instance, the same after a restart;
// Meta has job, instance, metrics_path and scheme. The address is the external URL's, else the one listened on. Where
// that is the wildcard it is left to the node: an agent on the same host knows by which address others reach the host,
// and the federator only knows that it reaches the agent by loopback.
//
// # What it holds to
//
// Instances are withdrawn only when each discovery has answered: a federator that has just started, or that a reload gave
// new discoveries, knows less than what Consul has of it, and keeps that alive. At the end everything is withdrawn,
// within one second; what could not be withdrawn expires by its TTL check.
//
// Nothing waits for Consul but the goroutine of its connection.
package publish
