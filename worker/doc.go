// Package worker makes a Go process a fedscrape worker: it serves its metrics on an ephemeral port, registers that
// port with the Consul agent of its host, and says goodbye at its end.
//
//	w, err := worker.Register(ctx, worker.Options{Job: "webapp", Gatherer: prometheus.DefaultGatherer})
//	if err != nil {
//		return err
//	}
//	defer w.Close()
//
// # The law
//
// A worker that says goodbye loses nothing: Close hands its last page to the federator first and deregisters then,
// within one second in all, whatever agent and federator do. The service ID is made once per process and stays the
// same when the agent has forgotten it and it registers again; the worker ID is the lowest number that no other
// worker of the instance on this host holds, so that recycled workers make no new series.
//
// An agent that is away is no error: Register returns after one second at most and goes on in the background, with a
// heartbeat each third of the TTL. Trouble is logged, once per change.
//
// # Limits
//
// A process that is killed, or that ends by os.Exit without Close, says no goodbye: what it counted since the last
// scrape is lost. Slots are file locks, and so are known on Unix only and to processes that share os.TempDir; where
// they cannot be had, the service ID is the worker ID. A Gatherer that hangs outlives Close.
//
// # Environment
//
// Options beat it: CONSUL_HTTP_ADDR, CONSUL_HTTP_TOKEN, CONSUL_HTTP_SSL, CONSUL_CACERT and the others of Consul's own
// tools; FEDSCRAPE_URL, FEDSCRAPE_JOB, FEDSCRAPE_INSTANCE, FEDSCRAPE_WORKER_ID, FEDSCRAPE_ADDRESS; with
// FEDSCRAPE_DISABLE=1 Register does nothing, and neither does the Worker that it returns.
package worker
