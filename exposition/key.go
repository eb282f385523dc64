package exposition

import "encoding/binary"

// AppendLabelsKey appends what tells the series of a family and type apart. Labels with an empty value do not count, as in
// Prometheus. Different series never have the same key.
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
