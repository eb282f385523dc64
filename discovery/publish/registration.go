package publish

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"regexp"
	"strings"
	"time"
	"unicode/utf8"

	consulapi "github.com/hashicorp/consul/api"

	"github.com/fedscrape/fedscrape/discovery"
)

// metaLimit is Consul's, in bytes.
const metaLimit = 512

// hashLength is that of an ID's last part.
const hashLength = 16

// unsafe are characters that an ID is better without: it is part of a URL's path.
var unsafe = regexp.MustCompile(`[^A-Za-z0-9._-]`)

// idPrefix is what the IDs of one federator's services have in common.
func idPrefix(service, federator string) string {
	return unsafe.ReplaceAllString(service+"-"+federator, "_") + "-"
}

func serviceID(prefix string, id discovery.InstanceID) string {
	sum := sha256.Sum256([]byte(id.Job + "\x00" + id.Instance))
	return prefix + hex.EncodeToString(sum[:hashLength/2])
}

// ownID tells our IDs from those of a federator whose name begins with ours.
func ownID(prefix, id string) bool {
	rest, ok := strings.CutPrefix(id, prefix)
	return ok && len(rest) == hashLength && !strings.Contains(rest, "-")
}

// sayable tells what of an instance Consul cannot hold.
func sayable(id discovery.InstanceID) error {
	for _, part := range []struct{ name, value string }{{"job", id.Job}, {"instance", id.Instance}} {
		if len(part.value) > metaLimit {
			return fmt.Errorf("its %s has %d bytes, Consul's limit is %d: shorten it by relabel_configs", part.name, len(part.value), metaLimit)
		}
		if !utf8.ValidString(part.value) {
			return fmt.Errorf("its %s is not valid UTF-8: change it by relabel_configs", part.name)
		}
	}
	return nil
}

// registration is what the agent is told of an instance. address is empty for that of the node.
func registration(o *Options, e *Endpoint, ttl time.Duration, address string, id discovery.InstanceID) *consulapi.AgentServiceRegistration {
	return &consulapi.AgentServiceRegistration{
		Name:    o.Service,
		ID:      serviceID(idPrefix(o.Service, e.Federator), id),
		Address: address,
		Port:    e.Port,
		Meta: map[string]string{
			"job": id.Job, "instance": id.Instance, "metrics_path": e.MetricsPath, "scheme": e.Scheme,
		},
		Check: &consulapi.AgentServiceCheck{
			TTL:                            ttl.String(),
			Status:                         consulapi.HealthPassing,
			DeregisterCriticalServiceAfter: "1m",
		},
	}
}
