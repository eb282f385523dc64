// Package discovery says who is there: the workers of each job, after relabeling, at each change.
//
// A Manager runs each job's sources (Consul watches, static lists, Prometheus' own file, http and dns discoverers) and
// hands on the job's whole list when its content changes.
//
// # Limits
//
// The list says who is registered, not who lives: a critical check is a label, never a reason to leave a worker out.
// While a source is in error its last list stands. A list may lack workers until the update says Answered.
package discovery
