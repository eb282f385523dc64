package registry

import (
	"net/http"
	"strings"
)

// routes is searched by hand: http.ServeMux would clean IDs such as "a//b" out of the path.
var routes = []route{
	{"/v1/agent/service/register", http.MethodPut, (*Server).registerService},
	{"/v1/agent/service/deregister/", http.MethodPut, (*Server).deregisterService},
	{"/v1/agent/service/maintenance/", http.MethodPut, (*Server).serviceMaintenance},
	{"/v1/agent/check/register", http.MethodPut, (*Server).registerCheck},
	{"/v1/agent/check/deregister/", http.MethodPut, (*Server).deregisterCheck},
	{"/v1/agent/check/pass/", http.MethodPut, heartbeat(passing)},
	{"/v1/agent/check/warn/", http.MethodPut, heartbeat(warning)},
	{"/v1/agent/check/fail/", http.MethodPut, heartbeat(critical)},
	{"/v1/agent/check/update/", http.MethodPut, (*Server).updateCheck},
	{"/v1/agent/services", http.MethodGet, (*Server).agentServices},
	{"/v1/agent/service/", http.MethodGet, (*Server).agentService},
	{"/v1/agent/checks", http.MethodGet, (*Server).agentChecks},
	{"/v1/agent/health/service/id/", http.MethodGet, (*Server).agentHealthByID},
	{"/v1/agent/health/service/name/", http.MethodGet, (*Server).agentHealthByName},
	{"/v1/agent/self", http.MethodGet, (*Server).agentSelf},
	{"/v1/agent/version", http.MethodGet, (*Server).agentVersion},
	{"/v1/agent/members", http.MethodGet, (*Server).agentMembers},
	{"/v1/status/leader", http.MethodGet, (*Server).leader},
	{"/v1/status/peers", http.MethodGet, (*Server).peers},
	{"/v1/health/service/", http.MethodGet, (*Server).healthService},
	{"/v1/health/node/", http.MethodGet, (*Server).healthNode},
	{"/v1/health/checks/", http.MethodGet, (*Server).healthChecks},
	{"/v1/health/state/", http.MethodGet, (*Server).healthState},
	{"/v1/catalog/datacenters", http.MethodGet, (*Server).catalogDatacenters},
	{"/v1/catalog/nodes", http.MethodGet, (*Server).catalogNodes},
	{"/v1/catalog/services", http.MethodGet, (*Server).catalogServices},
	{"/v1/catalog/service/", http.MethodGet, (*Server).catalogService},
	{"/v1/catalog/node/", http.MethodGet, (*Server).catalogNode},
	{"/v1/catalog/node-services/", http.MethodGet, (*Server).catalogNodeServices},
}

func findRoute(path string) (route, string, bool) {
	for _, rt := range routes {
		if arg, ok := strings.CutPrefix(path, rt.path); ok && (arg == "" || strings.HasSuffix(rt.path, "/")) {
			return rt, arg, true
		}
	}
	return route{}, "", false
}

// elsewhere is what a real Consul serves besides. A 404 would say that the key, the session or the node does not exist.
var elsewhere = []string{
	"acl", "agent/connect", "agent/force-leave", "agent/host", "agent/join", "agent/leave", "agent/maintenance", "agent/metrics",
	"agent/monitor", "agent/reload", "agent/token", "catalog/connect", "catalog/deregister", "catalog/gateway-services",
	"catalog/register", "config", "connect", "coordinate", "discovery-chain", "event", "exported-services", "health/connect",
	"health/ingress", "imported-services", "internal", "kv", "operator", "peering", "peerings", "query", "session", "snapshot", "txn",
}

// servedElsewhere tells the part of Consul's API that a path is of, where it is one that is not served here.
func servedElsewhere(path string) (string, bool) {
	for _, part := range elsewhere {
		prefix := "/v1/" + part
		if rest, ok := strings.CutPrefix(path, prefix); ok && (rest == "" || rest[0] == '/') {
			return prefix, true
		}
	}
	return "", false
}
