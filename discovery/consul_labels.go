package discovery

import (
	"fmt"
	"maps"
	"math"
	"net"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	consulapi "github.com/hashicorp/consul/api"
	"github.com/prometheus/common/model"

	"github.com/fedscrape/fedscrape/relabel"
)

const metaConsul = model.MetaLabelPrefix + "consul_"

var notInLabelName = regexp.MustCompile(`[^a-zA-Z0-9_]`)

// consulLabels are the labels that Prometheus gives to one answer of health/service/<service>.
func consulLabels(entry *consulapi.ServiceEntry, service, datacenter, tagSeparator string) map[string]string {
	out := map[string]string{
		model.AddressLabel:             consulAddress(entry),
		metaConsul + "address":         entry.Node.Address,
		metaConsul + "dc":              datacenter,
		metaConsul + "health":          entry.Checks.AggregatedStatus(),
		metaConsul + "namespace":       entry.Service.Namespace,
		metaConsul + "node":            entry.Node.Node,
		metaConsul + "partition":       entry.Service.Partition,
		metaConsul + "service":         service,
		metaConsul + "service_address": entry.Service.Address,
		metaConsul + "service_id":      entry.Service.ID,
		metaConsul + "service_port":    strconv.Itoa(entry.Service.Port),
		// A separator around the list spares rules the position of a tag.
		metaConsul + "tags": tagSeparator + strings.Join(entry.Service.Tags, tagSeparator) + tagSeparator,
	}
	addMeta(out, metaConsul+"metadata_", entry.Node.Meta)
	addMeta(out, metaConsul+"service_metadata_", entry.Service.Meta)
	addMeta(out, metaConsul+"tagged_address_", entry.Node.TaggedAddresses)
	return out
}

// addMeta goes in the order of the keys: where two become one name, it is the same one each time.
func addMeta(out map[string]string, prefix string, meta map[string]string) {
	for _, key := range slices.Sorted(maps.Keys(meta)) {
		out[prefix+notInLabelName.ReplaceAllString(key, "_")] = meta[key]
	}
}

// consulAddress prefers the service's: it may be registered through another node.
func consulAddress(entry *consulapi.ServiceEntry) string {
	host := entry.Service.Address
	if host == "" {
		host = entry.Node.Address
	}
	return net.JoinHostPort(host, strconv.Itoa(entry.Service.Port))
}

// consulCandidate is one answer of health/service/<service>. datacenter is the configured one, or empty.
func consulCandidate(entry *consulapi.ServiceEntry, service, datacenter, tagSeparator string) candidate {
	if datacenter == "" {
		datacenter = entry.Node.Datacenter
	}
	return candidate{
		labels:      consulLabels(entry, service, datacenter, tagSeparator),
		kind:        relabel.Consul,
		key:         consulKey(entry, datacenter),
		serviceID:   entry.Service.ID,
		node:        entry.Node.Node,
		createIndex: entry.Service.CreateIndex,
		startTime:   parseStartTime(entry.Service.Meta["start_time"]),
	}
}

// consulKey has the service ID last, as it alone may hold a slash. Consul without namespaces says none, and means
// default.
func consulKey(entry *consulapi.ServiceEntry, datacenter string) string {
	return fmt.Sprintf("%s/%s/%s/%s/%s", datacenter, orDefault(entry.Service.Partition),
		orDefault(entry.Service.Namespace), entry.Node.Node, entry.Service.ID)
}

func orDefault(name string) string {
	if name == "" {
		return "default"
	}
	return name
}

// parseStartTime reads Unix seconds with a fraction; what is none is not told.
func parseStartTime(text string) time.Time {
	seconds, err := strconv.ParseFloat(text, 64)
	if err != nil || !(seconds > 0 && seconds < math.MaxInt32*1000.) {
		return time.Time{}
	}
	whole, fraction := math.Modf(seconds)
	return time.Unix(int64(whole), int64(fraction*1e9)).UTC()
}

// isLoopback says whether host:port means the host that reads it.
func isLoopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return false
	}
	if ip := net.ParseIP(host); ip != nil {
		return ip.IsLoopback()
	}
	return host == "localhost" || strings.HasSuffix(host, ".localhost")
}
