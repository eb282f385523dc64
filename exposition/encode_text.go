package exposition

import "strings"

// textTypeNames are the types as the text format has them; it does not know the newer ones.
var textTypeNames = [...]string{
	Unknown: "untyped", Counter: "counter", Gauge: "gauge", Histogram: "histogram", GaugeHistogram: "histogram",
	Summary: "summary", Info: "gauge", StateSet: "gauge",
}

func (e *encoder) textFamily(f *Family) {
	name := e.family(f.Name)
	e.textHead(name, "", f.Help, textTypeNames[f.Type])
	for i := range f.Series {
		e.textSeries(f.Type, name, &f.Series[i])
	}
	if f.Type == GaugeHistogram { // sum and count as gauges of their own, as client_python does: text has no type for them
		e.textGauges(f, name, "_gcount", func(s *Series) (float64, bool) { return s.Count, s.HasCount })
		e.textGauges(f, name, "_gsum", func(s *Series) (float64, bool) { return s.Sum, s.HasSum })
	}
	e.textGauges(f, strings.TrimSuffix(name, "_total"), "_created", func(s *Series) (float64, bool) { return s.Start, s.Start != 0 })
}

func (e *encoder) textHead(name, suffix, help, typ string) {
	e.help(name, suffix, help, false)
	e.head("TYPE", name, suffix, typ)
}

func (e *encoder) textSeries(typ Type, name string, s *Series) {
	e.series(s)
	switch typ {
	case Histogram, GaugeHistogram:
		for _, b := range s.Buckets {
			e.sample(name, "_bucket", "le", b.UpperBound, b.Count)
			e.endLine()
		}
		if typ == Histogram {
			e.sumAndCount(name, "_sum", "_count", s)
		}
	case Summary:
		e.quantiles(name, s)
		e.sumAndCount(name, "_sum", "_count", s)
	default:
		e.line(name, "", s.Value)
	}
}

func (e *encoder) quantiles(name string, s *Series) {
	for _, q := range s.Quantiles {
		e.sample(name, "", "quantile", q.Quantile, q.Value)
		e.endLine()
	}
}

func (e *encoder) sumAndCount(name, sum, count string, s *Series) {
	if s.HasSum {
		e.line(name, sum, s.Sum)
	}
	if s.HasCount {
		e.line(name, count, s.Count)
	}
}

// textGauges writes what text has no place for inside a family as a family of gauges after it.
func (e *encoder) textGauges(f *Family, name, suffix string, value func(*Series) (float64, bool)) {
	head := false
	for i := range f.Series {
		s := &f.Series[i]
		v, ok := value(s)
		if !ok {
			continue
		}
		if !head {
			e.textHead(name, suffix, f.Help, "gauge")
			head = true
		}
		e.series(s)
		e.line(name, suffix, v)
	}
}
