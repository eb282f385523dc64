package exposition

import (
	"mime"
	"strconv"
	"strings"

	"github.com/prometheus/common/model"
)

// Encoding is how a page is to be written.
type Encoding struct {
	Format Format
	// Version is that of the format: 0.0.4 or 1.0.0 of text, 1.0.0 or 0.0.1 of OpenMetrics.
	Version string
	// Escaping is for names that are not [a-zA-Z_:][a-zA-Z0-9_:]*.
	Escaping model.EscapingScheme
}

// ContentType is the header of a page so written.
func (e Encoding) ContentType() string {
	media := "text/plain"
	if e.Format == OpenMetrics {
		media = "application/openmetrics-text"
	}
	return media + "; version=" + e.Version + "; charset=utf-8; escaping=" + e.Escaping.String()
}

// negotiated are the encodings for Accept headers.
var negotiated memo[Encoding]

// Negotiate picks the encoding that an Accept header likes best, text 0.0.4 where it names none that can be written.
// Of equals the first wins.
func Negotiate(accept string) Encoding { return negotiated.get(accept, negotiate) }

func negotiate(accept string) Encoding {
	best, bestQ := Encoding{Format: Text, Version: "0.0.4", Escaping: model.UnderscoreEscaping}, 0.0
	for clause := range strings.SplitSeq(accept, ",") {
		media, params, err := mime.ParseMediaType(strings.TrimSpace(clause))
		if err != nil {
			continue
		}
		e, ok := encodingOf(media, params)
		if q := quality(params["q"]); ok && q > bestQ {
			best, bestQ = e, q
		}
	}
	return best
}

func quality(s string) float64 {
	if s == "" {
		return 1
	}
	q, err := strconv.ParseFloat(s, 64)
	if err != nil {
		return 0
	}
	return q
}

// encodingOf is what a clause of an Accept header asks for; false where it cannot be written.
func encodingOf(media string, params map[string]string) (Encoding, bool) {
	e := Encoding{Escaping: model.UnderscoreEscaping}
	if scheme, err := model.ToEscapingScheme(params["escaping"]); err == nil {
		e.Escaping = scheme
	}
	version := params["version"]
	switch media {
	case "application/openmetrics-text":
		e.Format, e.Version = OpenMetrics, version
		if version == "" {
			e.Version = "0.0.1"
		}
		return e, e.Version == "1.0.0" || e.Version == "0.0.1"
	case "text/plain":
		e.Format, e.Version = Text, version
		if version == "" {
			e.Version = "0.0.4"
		}
		return e, e.Version == "0.0.4" || e.Version == "1.0.0"
	case "*/*", "text/*":
		e.Format, e.Version = Text, "0.0.4"
		return e, true
	default:
		return e, false
	}
}
