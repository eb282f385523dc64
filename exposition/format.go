package exposition

import (
	"bytes"
	"mime"
)

// Format is how a page is written.
type Format uint8

// The formats that can be read.
const (
	Text        Format = iota // Prometheus text 0.0.4 and 1.0.0
	OpenMetrics               // OpenMetrics 1.0.0
	Protobuf                  // messages io.prometheus.client.MetricFamily, each with its length before it
)

// unit is what a page is counted in.
func (f Format) unit() string {
	if f == Protobuf {
		return "message"
	}
	return "line"
}

// formats are those of Content-Types.
var formats memo[formatOf]

type formatOf struct {
	format Format
	known  bool
}

// FormatOf tells a page's format by its Content-Type; false where that is missing or is none of a page.
func FormatOf(contentType string) (Format, bool) {
	f := formats.get(contentType, parseFormat)
	return f.format, f.known
}

func parseFormat(contentType string) formatOf {
	mediaType, params, err := mime.ParseMediaType(contentType)
	switch {
	case err != nil:
		return formatOf{}
	case mediaType == "application/openmetrics-text":
		return formatOf{OpenMetrics, true}
	case mediaType == "application/vnd.google.protobuf":
		return formatOf{Protobuf, isOr(params["proto"], "io.prometheus.client.MetricFamily") && isOr(params["encoding"], "delimited")}
	default:
		return formatOf{Text, mediaType == "text/plain"}
	}
}

// isOr tells whether a parameter has the value, or is missing.
func isOr(param, value string) bool { return param == "" || param == value }

// SniffFormat tells the format of a whole page of lines by its end.
func SniffFormat(body []byte) Format {
	if body = bytes.TrimRight(body, " \t\r\n"); bytes.HasSuffix(body, []byte("# EOF")) &&
		(len(body) == 5 || body[len(body)-6] == '\n') {
		return OpenMetrics
	}
	return Text
}
