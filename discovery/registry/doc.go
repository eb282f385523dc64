// Package registry is the part of the Consul agent's HTTP API that workers and the federator need, in-process, so that
// they run on one machine with nothing else installed.
//
// # The law
//
// For what it serves it answers as Consul 1.22.7 does: status, body text, headers, and which change wakes which
// blocked query. One suite of contract tests runs against this package and against a real Consul.
//
// # Deliberate differences
//
//   - There is one node, always alive, and everything is in memory: after a restart the workers register again.
//   - Only TTL checks exist; a registration with another kind of check is refused with 400.
//   - The service "consul" is not listed: nothing here serves the port that it would name.
//   - Sizes are bounded, see Options: 413 for a body, 429 for a full registry.
//   - The output of a check is brought up to date in the catalog when its status changes; Consul also does so every
//     five minutes.
//   - Options.ReapFloor may lower the least DeregisterCriticalServiceAfter, which is one minute in Consul.
//
// Consul's ACL tokens are accepted and ignored. Who may reach the Handler is the caller's matter: it should be
// loopback only.
package registry
