package exposition

import "strings"

// textTypeNames are the types as the text format has them; it does not know the newer ones.
var textTypeNames = [...]string{
	Unknown: "untyped", Counter: "counter", Gauge: "gauge", Histogram: "histogram", GaugeHistogram: "histogram",
	Summary: "summary", Info: "gauge", StateSet: "gauge",
}

func (e *encoder) textFamily(f *Family) {
	e.textHead(f.Name, f.Help, textTypeNames[f.Type])
	for i := range f.Series {
		e.textSeries(f, &f.Series[i])
	}
	if f.Type == GaugeHistogram {
		e.textGaugeHistogram(f)
	}
	e.textStarts(f)
}

func (e *encoder) textHead(name, help, typ string) {
	if help != "" {
		e.comment("HELP", name, string(appendEscaped(nil, help, false)))
	}
	e.comment("TYPE", name, typ)
}

func (e *encoder) textSeries(f *Family, s *Series) {
	switch f.Type {
	case Histogram, GaugeHistogram:
		for _, b := range s.Buckets {
			e.sample(f.Name, "_bucket", s.Labels, "le", b.UpperBound, b.Count)
			e.endLine()
		}
		if f.Type == Histogram {
			e.sumAndCount(f.Name, s)
		}
	case Summary:
		e.quantiles(f.Name, s)
		e.sumAndCount(f.Name, s)
	default:
		e.line(f.Name, "", s.Labels, s.Value)
	}
}

func (e *encoder) quantiles(name string, s *Series) {
	for _, q := range s.Quantiles {
		e.sample(name, "", s.Labels, "quantile", q.Quantile, q.Value)
		e.endLine()
	}
}

func (e *encoder) sumAndCount(name string, s *Series) {
	if s.HasSum {
		e.line(name, "_sum", s.Labels, s.Sum)
	}
	if s.HasCount {
		e.line(name, "_count", s.Labels, s.Count)
	}
}

// textGaugeHistogram writes sum and count as gauges of their own, as client_python does: the text format has no type
// for them.
func (e *encoder) textGaugeHistogram(f *Family) {
	e.textGauges(f, "_gcount", func(s *Series) (float64, bool) { return s.Count, s.HasCount })
	e.textGauges(f, "_gsum", func(s *Series) (float64, bool) { return s.Sum, s.HasSum })
}

// textStarts writes start times as a family of their own.
func (e *encoder) textStarts(f *Family) {
	base := *f
	base.Name = strings.TrimSuffix(f.Name, "_total")
	e.textGauges(&base, "_created", func(s *Series) (float64, bool) { return s.Start, s.Start != 0 })
}

func (e *encoder) textGauges(f *Family, suffix string, value func(*Series) (float64, bool)) {
	head := false
	for i := range f.Series {
		v, ok := value(&f.Series[i])
		if !ok {
			continue
		}
		if !head {
			e.textHead(f.Name+suffix, f.Help, "gauge")
			head = true
		}
		e.line(f.Name, suffix, f.Series[i].Labels, v)
	}
}
