package exposition

import "strings"

// openMetricsHead gives the family's name and type as OpenMetrics wants them: a counter without `_total`, or an info
// without `_info`, cannot be said.
func openMetricsHead(f *Family) (name string, typ Type) {
	suffix := ""
	switch f.Type {
	case Counter:
		suffix = "_total"
	case Info:
		suffix = "_info"
	default:
		return f.Name, f.Type
	}
	if base, cut := strings.CutSuffix(f.Name, suffix); cut && base != "" {
		return base, f.Type
	}
	if f.Type == Info {
		return f.Name, Gauge
	}
	return f.Name, Unknown
}

func (e *encoder) openMetricsFamily(f *Family) {
	name, typ := openMetricsHead(f)
	e.comment("TYPE", name, typ.String())
	if f.Unit != "" && strings.HasSuffix(name, "_"+f.Unit) {
		e.comment("UNIT", name, f.Unit)
	}
	if f.Help != "" {
		e.comment("HELP", name, string(appendEscaped(nil, f.Help, true)))
	}
	for i := range f.Series {
		e.openMetricsSeries(f, name, typ, &f.Series[i])
	}
}

func (e *encoder) openMetricsSeries(f *Family, name string, typ Type, s *Series) {
	switch typ {
	case Histogram, GaugeHistogram:
		for _, b := range s.Buckets {
			e.sample(name, "_bucket", s.Labels, "le", b.UpperBound, b.Count)
			e.exemplar(b.Exemplar)
			e.endLine()
		}
		e.openMetricsSums(name, typ, s)
	case Summary:
		e.quantiles(name, s)
		e.openMetricsSums(name, typ, s)
	case Counter:
		e.sample(f.Name, "", s.Labels, "", 0, s.Value)
		e.exemplar(s.Exemplar)
		e.endLine()
	default:
		e.line(f.Name, "", s.Labels, s.Value)
	}
	if s.Start != 0 && typ.Cumulative() {
		e.line(name, "_created", s.Labels, s.Start)
	}
}

func (e *encoder) openMetricsSums(name string, typ Type, s *Series) {
	if typ != GaugeHistogram {
		e.sumAndCount(name, s)
		return
	}
	if s.HasSum {
		e.line(name, "_gsum", s.Labels, s.Sum)
	}
	if s.HasCount {
		e.line(name, "_gcount", s.Labels, s.Count)
	}
}

// exemplar appends ` # {labels} value timestamp`.
func (e *encoder) exemplar(x *Exemplar) {
	if x == nil {
		return
	}
	e.buf = append(e.buf, " # {"...)
	e.labels(x.Labels)
	if len(x.Labels) > 0 {
		e.buf = e.buf[:len(e.buf)-1]
	}
	e.buf = append(e.buf, "} "...)
	e.buf = AppendFloat(e.buf, x.Value)
	if x.Timestamp != 0 {
		e.buf = append(e.buf, ' ')
		e.buf = AppendFloat(e.buf, x.Timestamp)
	}
}
