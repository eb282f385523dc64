package scraper

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Protocol is a name of scrape_protocols, as Prometheus has it.
type Protocol string

// The protocols. OpenMetrics 2.0.0 is never asked for: client libraries answer it in a draft.
const (
	PrometheusProto      Protocol = "PrometheusProto"
	OpenMetricsText1_0_0 Protocol = "OpenMetricsText1.0.0"
	OpenMetricsText0_0_1 Protocol = "OpenMetricsText0.0.1"
	PrometheusText1_0_0  Protocol = "PrometheusText1.0.0"
	PrometheusText0_0_4  Protocol = "PrometheusText0.0.4"
)

// mediaTypes are in the order in which messages name the protocols. The versions 1.0.0 can carry any UTF-8 name.
var mediaTypes = []struct {
	protocol Protocol
	accept   string
}{
	{OpenMetricsText1_0_0, "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8"},
	{OpenMetricsText0_0_1, "application/openmetrics-text;version=0.0.1"},
	{PrometheusText1_0_0, "text/plain;version=1.0.0;escaping=allow-utf-8"},
	{PrometheusText0_0_4, "text/plain;version=0.0.4"},
	{PrometheusProto, "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited"},
}

// firstWeight is Prometheus' own, which knows OpenMetrics 2.0.0 as well: a worker sees the header that it would send.
const firstWeight = 7

func mediaType(p Protocol) (string, bool) {
	for _, m := range mediaTypes {
		if m.protocol == p {
			return m.accept, true
		}
	}
	return "", false
}

func protocolNames() string {
	names := make([]string, len(mediaTypes))
	for i, m := range mediaTypes {
		names[i] = string(m.protocol)
	}
	return strings.Join(names, ", ")
}

// acceptHeader prefers the protocols in the order given, then takes anything, because a worker that ignores Accept
// answers in the one format it has.
func acceptHeader(protocols []Protocol) string {
	var b strings.Builder
	weight := firstWeight
	for _, p := range protocols {
		accept, _ := mediaType(p)
		fmt.Fprintf(&b, "%s;q=0.%d,", accept, weight)
		weight--
	}
	fmt.Fprintf(&b, "*/*;q=0.%d", weight)
	return b.String()
}

func validateProtocols(protocols []Protocol) error {
	if len(protocols) == 0 {
		return errors.New("scrape_protocols: must not be empty")
	}
	for i, p := range protocols {
		if err := validateProtocol(p); err != nil {
			return fmt.Errorf("scrape_protocols[%d]: %w", i, err)
		}
		if slices.Contains(protocols[:i], p) {
			return fmt.Errorf("scrape_protocols[%d]: %q is there twice", i, p)
		}
	}
	return nil
}

func validateProtocol(p Protocol) error {
	if _, ok := mediaType(p); !ok {
		return fmt.Errorf("unknown protocol %q (%s)", p, protocolNames())
	}
	return nil
}
