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
)

// FormatOf tells a page's format by its Content-Type; false where that is missing or is none of a page.
func FormatOf(contentType string) (Format, bool) {
	mediaType, _, err := mime.ParseMediaType(contentType)
	switch {
	case err != nil:
		return Text, false
	case mediaType == "application/openmetrics-text":
		return OpenMetrics, true
	default:
		return Text, mediaType == "text/plain"
	}
}

// SniffFormat tells a whole page's format by its end.
func SniffFormat(body []byte) Format {
	if body = bytes.TrimRight(body, " \t\r\n"); bytes.HasSuffix(body, []byte("# EOF")) &&
		(len(body) == 5 || body[len(body)-6] == '\n') {
		return OpenMetrics
	}
	return Text
}
