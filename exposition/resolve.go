package exposition

import (
	"math"
	"slices"
	"strconv"
	"strings"
)

// declared is a family as a page's comments have it.
type declared struct {
	name       string // as the page writes it
	typ        Type
	help, unit string
	// start is what the samples of a text family `x_created` are, where they are start times of another family.
	start *SeriesID
	// context is the table's number of the declaration, where numbered.
	context        context
	numbered, told bool
}

// types that the text format and OpenMetrics can say.
var (
	textTypes = map[string]Type{"counter": Counter, "gauge": Gauge, "histogram": Histogram, "summary": Summary, "untyped": Unknown}
	omTypes   = map[string]Type{
		"counter": Counter, "gauge": Gauge, "histogram": Histogram, "summary": Summary, "unknown": Unknown,
		"gaugehistogram": GaugeHistogram, "info": Info, "stateset": StateSet,
	}
)

// suffixes of samples, and the part of a family that each is.
var suffixes = []struct {
	suffix string
	part   Part
	types  []Type
}{
	{"_bucket", PartBucket, []Type{Histogram, GaugeHistogram}},
	{"_sum", PartSum, []Type{Histogram, Summary}},
	{"_count", PartCount, []Type{Histogram, Summary}},
	{"_gsum", PartSum, []Type{GaugeHistogram}},
	{"_gcount", PartCount, []Type{GaugeHistogram}},
	{"_created", PartCreated, []Type{Counter, Histogram, Summary}},
	{"_total", PartValue, []Type{Counter}},
	{"_info", PartValue, []Type{Info}},
}

// resolve says which line a sample is: of the family that it stands under, else of another one that the page
// declares, else of an untyped family of its own; and which declaration that is, nil for the last. A bucket without a
// bound is an error, but is told as the last too.
func (p *Page) resolve(name string, labels Labels) (SeriesID, *declared, error) {
	if p.current != nil {
		if id, ok := p.current.line(p.format, name, labels); ok {
			return id, p.current, nil
		}
	}
	if d := p.families[name]; d != nil {
		if id, ok := d.line(p.format, name, labels); ok {
			return id, d, nil
		}
	}
	var err error
	for _, s := range suffixes {
		base, cut := strings.CutSuffix(name, s.suffix)
		if !cut {
			continue
		}
		if d := p.families[base]; d != nil {
			if id, ok := d.line(p.format, name, labels); ok {
				return id, d, nil
			}
			if s.part == PartBucket && slices.Contains(s.types, d.typ) {
				err = errBound
			}
		}
	}
	return SeriesID{Family: name, Labels: labels}, nil, err
}

// line says which line of the family a sample is; false where its name does not fit.
func (d *declared) line(format Format, name string, labels Labels) (SeriesID, bool) {
	if d.start != nil && name == d.name {
		id := *d.start
		id.Labels = labels
		return id, true
	}
	if name == d.name {
		return d.plain(format, name, labels)
	}
	suffix, cut := strings.CutPrefix(name, d.name)
	if !cut {
		return SeriesID{}, false
	}
	for _, s := range suffixes {
		if s.suffix == suffix && slices.Contains(s.types, d.typ) {
			return bounded(SeriesID{Family: d.familyOf(format, name, s.part), Type: d.typ, Part: s.part, Labels: labels})
		}
	}
	return SeriesID{}, false
}

// plain is a sample of the family's own name.
func (d *declared) plain(format Format, name string, labels Labels) (SeriesID, bool) {
	id := SeriesID{Family: name, Type: d.typ, Labels: labels}
	switch d.typ {
	case Gauge, Unknown, StateSet:
		return id, true
	case Counter:
		return id, format != OpenMetrics
	case Summary:
		id.Part = PartQuantile
		return bounded(id)
	default:
		return id, false
	}
}

// familyOf is SeriesID.Family of a sample with a suffix.
func (d *declared) familyOf(format Format, sample string, part Part) string {
	switch {
	case part == PartCreated:
		return d.sampleName(format)
	case d.typ == Counter || d.typ == Info:
		return sample
	default:
		return d.name
	}
}

// sampleName is the name by which start times find the family.
func (d *declared) sampleName(format Format) string {
	if d.typ == Counter && format == OpenMetrics {
		return d.name + "_total"
	}
	return d.name
}

// bounded reads le or quantile, which stays among the labels; false where it is missing or no number.
func bounded(id SeriesID) (SeriesID, bool) {
	if id.Part != PartBucket && id.Part != PartQuantile {
		return id, true
	}
	i := id.boundLabel()
	if i < 0 {
		return id, false
	}
	v, err := strconv.ParseFloat(id.Labels[i].Value, 64)
	if err != nil || math.IsNaN(v) {
		return id, false
	}
	id.Bound = v + 0 // -0 and 0 are one bound
	return id, true
}

// boundLabel is where le or quantile is among the labels; -1 where it is not.
func (id *SeriesID) boundLabel() int {
	label := "le"
	if id.Part == PartQuantile {
		label = "quantile"
	}
	return slices.IndexFunc(id.Labels, func(l Label) bool { return l.Name == label })
}

// withoutBound takes le or quantile out of the labels, in place.
func withoutBound(id SeriesID) Labels {
	if id.Part != PartBucket && id.Part != PartQuantile {
		return id.Labels
	}
	i := id.boundLabel()
	return slices.Delete(id.Labels, i, i+1)
}

// findStart links a text family `x_created` to the cumulative family that the page has declared before it.
func (p *Page) findStart(d *declared) {
	d.start = nil
	base, cut := strings.CutSuffix(d.name, "_created")
	if !cut || p.format == OpenMetrics || d.typ != Gauge {
		return
	}
	for _, name := range []string{base + "_total", base} {
		if b := p.families[name]; b != nil && b.typ.Cumulative() {
			d.start = &SeriesID{Family: b.sampleName(p.format), Type: b.typ, Part: PartCreated}
		}
	}
}
