package registry

import (
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"regexp"
	"strings"
)

// Consul's limits on service meta.
const (
	maxMetaPairs = 64
	maxMetaKey   = 128
	maxMetaValue = 512
	maxWeight    = 65535
)

var metaKeyForm = regexp.MustCompile(`^[A-Za-z0-9_-]+$`)

// validate refuses what Consul refuses, in Consul's words and in its order, and then what only this registry does.
func (reg *registration) validate() error {
	bad := func(format string, args ...any) error { return fail(http.StatusBadRequest, format, args...) }
	if reg.Name == "" {
		return bad("Missing service name")
	}
	if isWildcard(reg.Address) {
		return bad("Invalid service address")
	}
	if err := validateWeights(reg.Weights); err != nil {
		return bad("Invalid Weights: %v", err)
	}
	if err := validateMeta(reg.Meta); err != nil {
		return bad("Invalid Service Meta: %v", err)
	}
	for _, c := range reg.allChecks() {
		if err := c.validate(); err != nil {
			return bad("Invalid check: %v", err)
		}
	}
	for _, c := range reg.allChecks() {
		if c.Status != "" && !validStatus(c.Status) {
			return bad("Status for checks must 'passing', 'warning', 'critical'")
		}
	}
	return reg.validateOwn()
}

// validateOwn refuses what only this registry does, and scripts, which Consul refuses last.
func (reg *registration) validateOwn() error {
	if field := reg.unsupported(); field != "" {
		return fail(http.StatusBadRequest, "%s is not supported by fedscrape's registry: use a real Consul", field)
	}
	for _, c := range reg.allChecks() {
		if err := c.validateOwn(); err != nil {
			return err
		}
	}
	return nil
}

func (c *checkDefinition) validateOwn() error {
	if c.script() {
		return fail(http.StatusInternalServerError, "Scripts are disabled on this agent from remote calls; to enable, configure 'enable_script_checks' to true")
	}
	if kind := c.unsupported(); kind != "" {
		return fail(http.StatusBadRequest, "Invalid check: %s checks do not exist in fedscrape's registry: use TTL, HTTP or TCP, or a real Consul", kind)
	}
	if c.CheckID == nodeCheckID {
		return fail(http.StatusBadRequest, "Invalid check: CheckID %s is the node's own", nodeCheckID)
	}
	return nil
}

// allChecks is Check, unless it says nothing, and then Checks.
func (reg *registration) allChecks() []*checkDefinition {
	var all []*checkDefinition
	if !reg.Check.empty() {
		all = append(all, reg.Check)
	}
	for _, c := range reg.Checks {
		if c != nil {
			all = append(all, c)
		}
	}
	return all
}

// isWildcard tells an address that means every interface: nobody could connect to it.
func isWildcard(address string) bool {
	ip, err := netip.ParseAddr(strings.Trim(address, "[]"))
	return err == nil && ip.IsUnspecified()
}

func validStatus(status string) bool {
	return status == passing || status == warning || status == critical
}

func validateWeights(w *weights) error {
	switch {
	case w == nil:
		return nil
	case w.Passing < 1:
		return errors.New("Passing must be greater than 0") //nolint:staticcheck // Consul's words
	case w.Warning < 0:
		return errors.New("Warning must be greater or equal than 0") //nolint:staticcheck // Consul's words
	case w.Passing > maxWeight || w.Warning > maxWeight:
		return errors.New("DNS Weight must be between 0 and 65535")
	}
	return nil
}

func validateMeta(meta map[string]string) error {
	if len(meta) > maxMetaPairs {
		return fmt.Errorf("Node metadata cannot contain more than %d key/value pairs", maxMetaPairs) //nolint:staticcheck // Consul's words
	}
	for key, value := range meta {
		if err := validateMetaPair(key, value); err != nil {
			return fmt.Errorf("Couldn't load metadata pair ('%s', '%s'): %w", key, value, err) //nolint:staticcheck // Consul's words
		}
	}
	return nil
}

//nolint:staticcheck // Consul's words
func validateMetaPair(key, value string) error {
	switch {
	case key == "":
		return errors.New("Key cannot be blank")
	case !metaKeyForm.MatchString(key):
		return errors.New("Key contains invalid characters")
	case len(key) > maxMetaKey:
		return fmt.Errorf("Key is too long (limit: %d characters)", maxMetaKey)
	case strings.HasPrefix(key, "consul-"):
		return errors.New("Key prefix 'consul-' is reserved for internal use")
	case len(value) > maxMetaValue:
		return fmt.Errorf("Value is too long (limit: %d characters)", maxMetaValue)
	}
	return nil
}

//nolint:staticcheck // Consul's words
func (c *checkDefinition) validate() error {
	probes := c.script() || c.HTTP != "" || c.TCP != "" || c.UDP != "" || c.H2PING != "" || c.OSService != "" || c.GRPC != ""
	alias := c.AliasNode != "" || c.AliasService != ""
	switch {
	case c.Interval > 0 && c.TTL > 0:
		return errors.New("Interval and TTL cannot both be specified")
	case probes && c.Interval <= 0:
		return errors.New("Interval must be > 0 for Script, HTTP, H2PING, TCP, UDP or OSService checks")
	case !probes && !alias && c.TTL <= 0:
		return errors.New("TTL must be > 0 for TTL checks")
	case c.OutputMaxSize < 0:
		return errors.New("MaxOutputMaxSize must be positive")
	case c.FailuresBeforeWarning > c.FailuresBeforeCritical:
		return errors.New("FailuresBeforeWarning can't be higher than FailuresBeforeCritical")
	}
	return nil
}
