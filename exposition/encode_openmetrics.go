package exposition

import "strings"

// openMetricsHead gives the family's type as OpenMetrics wants it, and what of the samples' name is not the family's: a
// counter without `_total`, or an info without `_info`, cannot be said.
func openMetricsHead(typ Type, name string) (_ Type, suffix string) {
	instead := Unknown
	switch typ {
	case Counter:
		suffix = "_total"
	case Info:
		suffix, instead = "_info", Gauge
	default:
		return typ, ""
	}
	if base, cut := strings.CutSuffix(name, suffix); !cut || base == "" {
		return instead, ""
	}
	return typ, suffix
}

func (e *encoder) openMetricsFamily(f *Family) {
	name := e.family(f.Name)
	typ, suffix := openMetricsHead(f.Type, name)
	name = strings.TrimSuffix(name, suffix)
	e.head("TYPE", name, "", typ.String())
	if f.Unit != "" && strings.HasSuffix(name, "_"+f.Unit) {
		e.head("UNIT", name, "", f.Unit)
	}
	e.help(name, "", f.Help, true)
	for i := range f.Series {
		e.openMetricsSeries(typ, name, suffix, &f.Series[i])
	}
}

func (e *encoder) openMetricsSeries(typ Type, name, suffix string, s *Series) {
	e.series(s)
	switch typ {
	case Histogram, GaugeHistogram:
		e.openMetricsHistogram(typ, name, s)
	case Summary:
		e.quantiles(name, s)
		e.sumAndCount(name, "_sum", "_count", s)
	case Counter:
		e.sample(name, suffix, "", 0, s.Value)
		e.mayHave(s.Exemplar)
		e.endLine()
	default:
		e.line(name, suffix, s.Value)
	}
	if s.Start != 0 && typ.Cumulative() {
		e.line(name, "_created", s.Start)
	}
}

func (e *encoder) openMetricsHistogram(typ Type, name string, s *Series) {
	for _, b := range s.Buckets {
		e.sample(name, "_bucket", "le", b.UpperBound, b.Count)
		e.mayHave(b.Exemplar)
		e.endLine()
	}
	if typ == GaugeHistogram {
		e.sumAndCount(name, "_gsum", "_gcount", s)
	} else {
		e.sumAndCount(name, "_sum", "_count", s)
	}
}

// mayHave stands where a line may have an exemplar, nil where it has none.
func (e *encoder) mayHave(x *Exemplar) {
	if e.making != nil {
		e.making.exemplars = true
		return
	}
	e.exemplar(x)
}

// exemplar appends ` # {labels} value timestamp`.
func (e *encoder) exemplar(x *Exemplar) {
	if x == nil {
		return
	}
	e.buf = append(e.buf, " # {"...)
	begin := len(e.buf)
	if e.buf = e.appendLabels(e.buf, x.Labels); len(e.buf) > begin { // escaping may hide all of them
		e.buf = e.buf[:len(e.buf)-1]
	}
	e.buf = append(e.buf, "} "...)
	e.buf = AppendFloat(e.buf, x.Value)
	if x.Timestamp != 0 {
		e.buf = append(e.buf, ' ')
		e.buf = AppendFloat(e.buf, x.Timestamp)
	}
}
