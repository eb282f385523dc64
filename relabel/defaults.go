package relabel

import "net"

// Kind is where a target was found, as far as the defaults differ.
type Kind int

// The kinds.
const (
	Other  Kind = iota // static, file, http, dns: only the address is known
	Consul             // a registration with meta
)

// What a worker says of itself in its registration, as Consul's discovery labels it.
const (
	consulNode         = "__meta_consul_node"
	consulServiceID    = "__meta_consul_service_id"
	consulMeta         = "__meta_consul_service_metadata_"
	consulMetaInstance = consulMeta + "instance"
	consulMetaWorkerID = consulMeta + "worker_id"
	consulMetaScheme   = consulMeta + "scheme"
	consulMetaPath     = consulMeta + "metrics_path"
)

// beforeRules are the labels that a kind sets ahead of the job's own defaults, so that rules see and may change them.
func (k Kind) beforeRules(discovered map[string]string) (scheme, metricsPath string) {
	if k != Consul {
		return "", ""
	}
	return discovered[consulMetaScheme], discovered[consulMetaPath]
}

// afterRules is the identity where the rules have left it open. It goes by the labels as they were found: a rule that
// drops meta labels must not make all workers of a host one.
func (k Kind) afterRules(discovered map[string]string, address string) (instance, workerID string) {
	if k == Consul {
		return firstOf(discovered[consulMetaInstance], discovered[consulNode]),
			firstOf(discovered[consulMetaWorkerID], discovered[consulServiceID])
	}
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return address, address
	}
	return host, address
}

func firstOf(values ...string) string {
	for _, value := range values {
		if value != "" {
			return value
		}
	}
	return ""
}
