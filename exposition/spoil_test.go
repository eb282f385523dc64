package exposition

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/textparse"
)

// encodings are all that can be negotiated.
func encodings() []Encoding {
	var all []Encoding
	for _, escaping := range []model.EscapingScheme{
		model.UnderscoreEscaping, model.DotsEscaping, model.ValueEncodingEscaping, model.NoEscaping,
	} {
		all = append(all, Encoding{Text, "0.0.4", escaping}, Encoding{Text, "1.0.0", escaping}, Encoding{OpenMetrics, "1.0.0", escaping})
	}
	return all
}

// gather puts what a page said together, as merging one page does. The first of two equal lines wins.
func (c *collector) gather() []Family {
	type place struct{ family, series int }
	var families []Family
	byFamily, bySeries, seen := map[string]int{}, map[string]place{}, map[Slot]bool{}
	for i, slot := range c.at {
		id, v := c.ids[slot], c.vals[i]
		if seen[slot] {
			continue
		}
		seen[slot] = true
		key := lineKey(SeriesID{Family: id.Family, Type: id.Type})
		f, ok := byFamily[key]
		if !ok {
			f = len(families)
			byFamily[key] = f
			families = append(families, Family{Name: id.Family, Type: id.Type})
		}
		key = lineKey(SeriesID{Family: id.Family, Type: id.Type, Labels: id.Labels})
		at, ok := bySeries[key]
		if !ok {
			at = place{f, len(families[f].Series)}
			bySeries[key] = at
			families[f].Series = append(families[f].Series, Series{Labels: id.Labels})
		}
		families[at.family].Series[at.series].add(id, v, c.copies[i])
	}
	return families
}

func (s *Series) add(id SeriesID, v float64, x *Exemplar) {
	switch id.Part {
	case PartValue:
		s.Value, s.Exemplar = v, x
	case PartBucket:
		s.Buckets = append(s.Buckets, Bucket{UpperBound: id.Bound, Count: v, Exemplar: x})
	case PartSum:
		s.Sum, s.HasSum = v, true
	case PartCount:
		s.Count, s.HasCount = v, true
	case PartQuantile:
		s.Quantiles = append(s.Quantiles, Quantile{id.Bound, v})
	case PartCreated:
		s.Start = v
	}
}

// mustBeScrapable holds a page against what Prometheus refuses as a whole, in its parser and in its scrape loop.
func mustBeScrapable(t *testing.T, enc Encoding, page string) {
	t.Helper()
	if err := readPage(enc.Format, NewTable(1000), newCollector(), page, false); err != nil {
		t.Fatalf("%s: we cannot read what we write: %v\n%q", enc.ContentType(), err, page)
	}
	samples, p := 0, parserOf(enc.Format, []byte(page))
	for {
		entry, err := p.Next()
		if err != nil {
			if err.Error() != "EOF" {
				t.Fatalf("%s: Prometheus cannot parse it: %v\n%q", enc.ContentType(), err, page)
			}
			break
		}
		if entry != textparse.EntrySeries {
			continue
		}
		samples++
		var lset labels.Labels
		p.Labels(&lset)
		if name, twice := lset.HasDuplicateLabelNames(); twice {
			t.Fatalf("%s: label %q is there twice\n%q", enc.ContentType(), name, page)
		}
		if validation := validationOf(enc); !lset.Has(model.MetricNameLabel) || !lset.IsValid(validation) {
			t.Fatalf("%s: %s is not valid\n%q", enc.ContentType(), lset, page)
		}
	}
	if lines := strings.Count(page, "\n") - strings.Count(page, "\n# ") - min(1, strings.Count(page, "#")); samples < lines {
		t.Fatalf("%s: %d samples in %d lines\n%q", enc.ContentType(), samples, lines, page)
	}
}

// validationOf is what a reader that asked for the encoding takes names for: one that asked for escaping knows no others.
func validationOf(enc Encoding) model.ValidationScheme {
	if enc.Escaping == model.NoEscaping {
		return model.UTF8Validation
	}
	return model.LegacyValidation
}

func encodeAs(t *testing.T, enc Encoding, families []Family) string {
	t.Helper()
	var b strings.Builder
	if err := encodeWhole(&b, enc, families); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// FuzzNoPageSpoilsAnother takes what we take from a worker, and holds the page that we then write against Prometheus:
// there, one bad line costs all workers of the instance.
func FuzzNoPageSpoilsAnother(f *testing.F) {
	seeds(f, "x{a=\"b\x00\"} 1\n", "{\"x\x00\"} 1\n", "x{\"a\x00\"=\"b\"} 1\n", "x{\"a.b\"=\"1\",a_b=\"2\",\"a-b\"=\"3\"} 1\n", "x{\"..name..\"=\"1\"} 1\n",
		"x{\"a:b\"=\"1\"} 1\n", "# TYPE \"my.h\" histogram\n{\"my.h_bucket\",le=\"1\"} 1\n{\"my.h_count\"} 1\n", "# TYPE \"1_total\" counter\n{\"1_total\"} 1\n",
		"# TYPE _total counter\n_total 1\n# TYPE _created gauge\n_created 1\n", "x{a=\"b\rc\"} 1\r\n", "# TYPE h histogram\nh_sum{le=\"1\"} 1\n",
		"# TYPE x counter\nx_total 1 # {a=\"b\\n\x00\",\"c.d\"=\"\",__name__=\"y\"} NaN 1e300\n# TYPE h histogram\nh_bucket{le=\"1\"} 1 # {\"a b\"=\"\r\"} -1\nh_bucket{le=\"+Inf\"} 1 # {} 1 -5\n# EOF\n")
	f.Fuzz(func(t *testing.T, body []byte) {
		if len(body) > 1<<14 {
			return
		}
		for _, format := range []Format{Text, OpenMetrics} {
			c := newCollector()
			if readPage(format, NewTable(1000), c, string(body), true) != nil {
				continue
			}
			families := c.gather()
			for i := range families {
				families[i].Help = strings.ToValidUTF8(string(body[:min(len(body), 40)]), "?")
			}
			for _, enc := range encodings() {
				mustBeScrapable(t, enc, encodeAs(t, enc, families))
			}
		}
	})
}

// A page of quoted names keeps samples and TYPE under one name, whatever the escaping.
func TestEscapedFamiliesStayWhole(t *testing.T) {
	families := []Family{
		{Name: "my.h_x", Type: Histogram, Help: "h", Series: []Series{{
			HasCount: true, Count: 1, HasSum: true, Start: 5, Buckets: []Bucket{{UpperBound: 1, Count: 1}},
		}}},
		{Name: "my.r_total", Type: Counter, Series: []Series{{Value: 1, Start: 5}}},
		{Name: "my.v_info", Type: Info, Series: []Series{{Value: 1}}},
	}
	for _, enc := range encodings() {
		page := encodeAs(t, enc, families)
		c := newCollector()
		if err := readPage(enc.Format, NewTable(100), c, page, false); err != nil {
			t.Fatalf("%s: %v\n%s", enc.ContentType(), err, page)
		}
		var got []string
		for i, slot := range c.at {
			got = append(got, c.ids[slot].Type.String()+" "+partNames[c.ids[slot].Part])
			if name := c.ids[slot].Family; i < 4 && name != c.ids[c.at[0]].Family || i == 5 && name != c.ids[c.at[4]].Family {
				t.Errorf("%s: %s is torn apart:\n%s", enc.ContentType(), name, page)
			}
		}
		want := []string{"histogram bucket", "histogram sum", "histogram count", "histogram created", "counter ", "counter created", "gauge "}
		if enc.Format == OpenMetrics {
			want[6] = "info "
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: %q\n%s", enc.ContentType(), got, page)
		}
	}
}

// Two labels that escaping makes one: the one that bears the name in truth is written, else the first.
func TestLabelsThatEscapingMakesOne(t *testing.T) {
	f := func(want string, l ...Label) {
		t.Helper()
		enc := Encoding{Text, "0.0.4", model.UnderscoreEscaping}
		page := encodeAs(t, enc, []Family{{Name: "x", Type: Gauge, Series: []Series{{Labels: l, Value: 1}}}})
		if _, got, _ := strings.Cut(page, "\n"); got != want+"\n" {
			t.Errorf("%v: %s, want %s", l, got, want)
		}
		mustBeScrapable(t, enc, page)
	}
	f(`x{a_b="1"} 1`, Label{"a.b", "1"})
	f(`x{a_b="1"} 1`, Label{"a-b", "1"}, Label{"a.b", "2"})
	f(`x{a_b="2"} 1`, Label{"a.b", "1"}, Label{"a_b", "2"})
	f(`x{a_b="1"} 1`, Label{"a:b", "1"})
	f(`x 1`, Label{"..name..", "1"})
	f(`x{b="2"} 1`, Label{"..name..", "1"}, Label{"b", "2"})
}

// What Prometheus' own parser refuses is refused here, so that it is one worker that fails and not the merged page.
func TestNamesThatSpoil(t *testing.T) {
	for _, body := range []string{
		"{\"x\x00\"} 1\n", "x{\"a\x00\"=\"b\"} 1\n", "# TYPE \"x\x00\" gauge\n", "{\"\"} 1\n", "x{\"\"=\"b\"} 1\n", "{\"x\",\"y\"} 1\n", "{\"__name__\"=\"x\"} 1\n",
	} {
		var parse *ParseError
		if err := readPage(Text, NewTable(10), newCollector(), body, true); !errors.As(err, &parse) {
			t.Errorf("%q is taken: %v", body, err)
		}
	}
}
