package registry

import (
	"cmp"
	"encoding/json"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"time"
)

// checkDefinition is what a registration says of a check. Of the kinds that do not exist here only as much is kept as
// is needed to tell that they are such.
type checkDefinition struct {
	CheckID                        string
	Name                           string
	Notes                          string
	Status                         string
	TTL                            duration
	DeregisterCriticalServiceAfter duration
	OutputMaxSize                  int

	Interval               duration
	Timeout                duration
	HTTP                   string
	Method                 string
	Header                 map[string][]string
	Body                   string
	DisableRedirects       bool
	TCP                    string
	TCPUseTLS              bool
	TLSServerName          string
	TLSSkipVerify          bool
	SuccessBeforePassing   int
	FailuresBeforeWarning  int
	FailuresBeforeCritical int

	ScriptArgs        []string
	UDP               string
	GRPC              string
	H2PING            string
	OSService         string
	AliasNode         string
	AliasService      string
	ProxyHTTP         string
	ProxyGRPC         string
	DockerContainerID string
	Shell             string
	GRPCUseTLS        bool
	H2PingUseTLS      bool

	otherNames
}

// otherNames are the second names that Consul takes for some fields.
type otherNames struct {
	Args                                []string
	DeregisterCriticalServiceAfterSnake duration `json:"deregister_critical_service_after"`
	ScriptArgsSnake                     []string `json:"script_args"`
	TLSServerNameSnake                  string   `json:"tls_server_name"`
	TLSSkipVerifySnake                  bool     `json:"tls_skip_verify"`
	TCPUseTLSSnake                      bool     `json:"tcp_use_tls"`
	GRPCUseTLSSnake                     bool     `json:"grpc_use_tls"`
	H2PingUseTLSSnake                   bool     `json:"h2ping_use_tls"`
	DockerContainerIDSnake              string   `json:"docker_container_id"`
	// A service's own registration says whose the check is: these are taken and ignored, as by Consul.
	ServiceID      string
	ServiceIDSnake string `json:"service_id"`
}

// empty tells a "Check": {} as some clients send it.
func (c *checkDefinition) empty() bool { return c == nil || reflect.ValueOf(*c).IsZero() }

func (c *checkDefinition) deregisterAfter() time.Duration {
	return time.Duration(max(c.DeregisterCriticalServiceAfter, c.DeregisterCriticalServiceAfterSnake))
}

func (c *checkDefinition) script() bool {
	return len(slices.Concat(c.ScriptArgs, c.Args, c.ScriptArgsSnake)) > 0
}

// unsupported names what a check asks for that does not exist here; empty where it can be run.
func (c *checkDefinition) unsupported() string {
	for _, field := range []struct{ name, value string }{
		{"GRPC", c.GRPC},
		{"UDP", c.UDP},
		{"H2PING", c.H2PING},
		{"OSService", c.OSService},
		{"AliasNode", c.AliasNode},
		{"AliasService", c.AliasService},
		{"ProxyHTTP", c.ProxyHTTP},
		{"ProxyGRPC", c.ProxyGRPC},
	} {
		if field.value != "" {
			return field.name
		}
	}
	return ""
}

// outputLimit is how much of an output is kept: a check can ask for less than Consul keeps, not for more.
func (c *checkDefinition) outputLimit() int {
	return min(cmp.Or(c.OutputMaxSize, maxOutput), maxOutput)
}

// probe is what the check asks by itself; nil for a TTL check. Where a definition has both an URL and a TCP address,
// the URL counts, as in Consul.
func (c *checkDefinition) probe() *probe {
	if c.HTTP == "" && c.TCP == "" {
		return nil
	}
	return &probe{
		url: c.HTTP, method: cmp.Or(c.Method, http.MethodGet), header: c.Header, body: c.Body, follow: !c.DisableRedirects,
		tcp: c.TCP, tls: c.TCPUseTLS || c.TCPUseTLSSnake, serverName: cmp.Or(c.TLSServerName, c.TLSServerNameSnake),
		skipVerify: c.TLSSkipVerify || c.TLSSkipVerifySnake,
		interval:   max(time.Duration(c.Interval), minInterval), timeout: timeoutOf(time.Duration(c.Timeout)), outputLimit: c.outputLimit(),
		successesToPass: c.SuccessBeforePassing, failuresToWarn: c.FailuresBeforeWarning, failuresToFail: c.FailuresBeforeCritical,
	}
}

func timeoutOf(timeout time.Duration) time.Duration {
	if timeout <= 0 {
		return defaultTimeout
	}
	return timeout
}

// kind is the check's Type in answers.
func (c *checkDefinition) kind() string {
	switch {
	case c.HTTP != "":
		return "http"
	case c.TCP != "":
		return "tcp"
	}
	return "ttl"
}

// duration is a Go duration as JSON has it: text, or nanoseconds.
type duration time.Duration

func (d *duration) UnmarshalJSON(data []byte) error {
	if text := string(data); !strings.HasPrefix(text, `"`) {
		var nanoseconds float64
		err := json.Unmarshal(data, &nanoseconds)
		*d = duration(nanoseconds)
		return err
	}
	var text string
	if err := json.Unmarshal(data, &text); err != nil || text == "" {
		return err
	}
	parsed, err := time.ParseDuration(text)
	*d = duration(parsed)
	return err
}

// text is the duration as a service's registration has it told: empty where it was not set.
func (d duration) text() string {
	if d == 0 {
		return ""
	}
	return time.Duration(d).String()
}
