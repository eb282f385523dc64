// Package exposition is how metrics are written down: the shared vocabulary (Family, Series, SeriesID), the readers of
// Prometheus text 0.0.4 and 1.0.0, of OpenMetrics 1.0.0 and of delimited protobuf, and the writers of the first two.
//
// # Reading
//
// A Page takes a body in pieces of any size while it arrives. It is as strict as Prometheus' own parser, and tolerant
// only of CRLF line ends. A line whose series text a Table knows costs one look-up and one number; labels are parsed,
// relabeled and given a slot when a text is first seen. A protobuf page gives the samples that the same page gives in text.
//
// # What each format can carry
//
// Text has no unit, no exemplars, no info, state set or gauge histogram types, and start times only as a family of its
// own (`x_created`). OpenMetrics has all of them, must end with `# EOF`, and wants counters to end in `_total`: others
// are written as unknown. Protobuf has no info and state set types. Of it start times and the buckets of native histograms
// are not read.
//
// # Limits
//
// A line is at most 1 MiB, a family in protobuf 64 MiB. The table is bounded by the number of its entries, and is emptied
// where it is full.
package exposition
