package exposition

import (
	"encoding/binary"
	"math"
)

// AppendKey appends what tells a line apart from all others: family, type, part, bound and labels. Labels with an
// empty value do not count, as in Prometheus. Different lines never have the same key.
func AppendKey(dst []byte, id SeriesID) []byte {
	dst = appendString(dst, id.Family)
	dst = append(dst, byte(id.Type), byte(id.Part))
	dst = binary.BigEndian.AppendUint64(dst, math.Float64bits(id.Bound))
	return AppendLabelsKey(dst, id.Labels)
}

// AppendLabelsKey appends the end of AppendKey, which tells the series of a family apart.
func AppendLabelsKey(dst []byte, labels Labels) []byte {
	for _, l := range labels {
		if l.Value != "" {
			dst = appendString(dst, l.Name)
			dst = appendString(dst, l.Value)
		}
	}
	return dst
}

// appendString puts the length before the text, so that no text can look like two.
func appendString(dst []byte, s string) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(s)))
	return append(dst, s...)
}
