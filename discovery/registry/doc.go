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
//   - Checks are TTL, HTTP and TCP checks of services; other kinds, and checks of the node, are refused with 400, scripts
//     with Consul's own refusal.
//   - KV, sessions, transactions, ACLs, events and the rest of Consul's API are answered with 501: a 404 would say that
//     the key or the session does not exist.
//   - The service "consul" is not listed: nothing here serves the port that it would name.
//   - Sizes and numbers are bounded, see Options: 413 for a body, 429 for a full registry, for too many blocked queries,
//     and, when served by HTTPServer, for too many connections of one client.
//   - An HTTP or TCP check that is registered again unchanged goes on in its rhythm; in Consul it starts anew.
//   - Of the answer to an HTTP check 1 MiB is read at most.
//   - The output of a check is brought up to date in the catalog when its status changes; Consul also does so every
//     five minutes.
//   - Options.ReapFloor may lower the least DeregisterCriticalServiceAfter, which is one minute in Consul.
//
// # Safety
//
// Consul's ACL tokens are accepted and ignored. Who may reach the Handler is the caller's matter: it should be
// loopback only. Whoever reaches it can have it ask any URL, by an HTTP check, and read the end of the answer.
package registry
