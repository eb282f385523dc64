package exposition

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	dto "github.com/prometheus/client_model/go"
	"google.golang.org/protobuf/types/known/timestamppb"
)

func TestReadExemplar(t *testing.T) {
	f := func(text string, want *Exemplar) {
		t.Helper()
		c := newCollector()
		body := "y 1\nx_total 1" + text + "\nz 2\n# EOF\n"
		if err := readPage(OpenMetrics, NewTable(100), c, body, true); err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		if diff := cmp.Diff(want, c.copies[1]); diff != "" || len(c.at) != 3 || len(c.copies) > 1 {
			t.Errorf("%q: of %d samples, %d exemplars: %s", text, len(c.at), len(c.copies), diff)
		}
	}
	f("", nil)
	f(" 5", nil)
	f(` # {} 0.5`, &Exemplar{Value: 0.5})
	f(` 5 # {b="2",a="1",} -3 1520879607.789123`, &Exemplar{Labels{{"a", "1"}, {"b", "2"}}, -3, 1520879607.789123})
	f(` # {a="\\\"\n\x",b=""} +Inf -1`, &Exemplar{Labels{{"a", "\\\"\n\\x"}, {"b", ""}}, parsed("+Inf"), -1})
	f(` # {"a b"="ö"} 1`, &Exemplar{Labels{{"a b", "ö"}}, 1, 0})
	f(` # {__name__="x"} 1`, &Exemplar{Labels{{"__name__", "x"}}, 1, 0})
	long := strings.Repeat("ö", 124) + `\n\\`
	f(` # {ab="`+long+`"} 1`, &Exemplar{Labels{{"ab", unescape([]byte(long))}}, 1, 0})
	f(` # {abc="`+long+`"} 1`, nil) // one character too many: the sample counts
	f(` # {ab="`+long+`",c=""} 1`, nil)
	f(` # {a="`+strings.Repeat("l", 127)+`"} 1`, &Exemplar{Labels{{"a", strings.Repeat("l", 127)}}, 1, 0})
	f(` # {a="`+strings.Repeat("l", 128)+`"} 1`, nil)
	f(` # {a="1",a="2"} 1`, nil) // labels of no page
	f(` # {a="1","a"="2"} 1`, nil)
	f(` # {""="1"} 1`, nil)
	f(` # {"a\"b"="1"} 1`, nil)
	f(" # {a=\"\x00\"} 1", nil)
	f(" # {\"a\xff\"=\"b\"} 1", nil)
}

// What was copied stays, whatever becomes of the page.
func TestExemplarCopyIsOne(t *testing.T) {
	text := []byte(`{a="b"}`)
	x := RawExemplar{Labels: text}.Copy()
	clear(text)
	if diff := cmp.Diff(Labels{{"a", "b"}}, x.Labels); diff != "" {
		t.Error(diff)
	}
}

func parsed(number string) float64 {
	v, _ := parseValue([]byte(number))
	return v
}

// TestExemplarsOfLinesLeftOut: what is relabeled away takes its exemplar with it, and a sink that wants none gets none.
func TestExemplarsOfLinesLeftOut(t *testing.T) {
	c, table := newCollector(), NewTable(100)
	w := newWorker(c, table)
	away := func(name string, labels Labels) (string, Labels, bool) { return name, labels, name != "away" }
	for _, v := range []string{"1", "2"} {
		c.exemplars, w.values = nil, nil
		p := NewPage(OpenMetrics, table, w, Limits{}, away)
		p.Expect(w.lines, w)
		body := "a 1\naway 1 # {a=\"" + v + "\"} 1\nb 1\nc 1 # {c=\"" + v + "\"} 1\n# EOF\n"
		if _, err := p.Write([]byte(body)); err != nil || p.Close(true) != nil {
			t.Fatal(err)
		}
		w.lines = p.Lines()
		if want := (map[int]string{2: ` # ["\"c\"=\"` + v + `\""] [3ff0000000000000] 0`}); !cmp.Equal(want, c.exemplars) {
			t.Errorf("page %s: %v", v, c.exemplars)
		}
	}
	type bare struct{ Sink }
	if err := readPage(OpenMetrics, NewTable(9), bare{newCollector()}, "x 1 # {} 1\n# EOF\n", true); err != nil {
		t.Error(err)
	}
}

func TestProtobufExemplars(t *testing.T) {
	pair := func(name, value string) *dto.LabelPair { return &dto.LabelPair{Name: &name, Value: &value} }
	f := func(x *dto.Exemplar, want *Exemplar) {
		t.Helper()
		bucket := &dto.Bucket{UpperBound: new(1.0), CumulativeCount: new(uint64(1)), Exemplar: x}
		page := written(t, protoDelim, &dto.MetricFamily{Name: new("c"), Type: dto.MetricType_COUNTER.Enum(), Metric: []*dto.Metric{{Counter: &dto.Counter{Value: new(1.0), Exemplar: x}}}},
			&dto.MetricFamily{Name: new("h"), Type: dto.MetricType_HISTOGRAM.Enum(), Metric: []*dto.Metric{{Histogram: &dto.Histogram{SampleCount: new(uint64(1)), Bucket: []*dto.Bucket{bucket}}}}})
		c := newCollector()
		if err := readPage(Protobuf, NewTable(100), c, page, true); err != nil {
			t.Fatalf("%v: %v", x, err)
		}
		all := map[int]*Exemplar{0: want, 1: want} // of the counter and its bucket, not of +Inf, sum and count
		if want == nil {
			all = nil
		}
		if diff := cmp.Diff(all, c.copies); diff != "" || len(c.at) != 5 {
			t.Errorf("%v: %d samples, %s", x, len(c.at), diff)
		}
	}
	f(nil, nil)
	f(&dto.Exemplar{}, &Exemplar{})
	at := &timestamppb.Timestamp{Seconds: 1520879607, Nanos: 789123456}
	f(&dto.Exemplar{Label: []*dto.LabelPair{pair("b", "2\n"), pair("a.c", "\"1\\")}, Value: new(-0.5), Timestamp: at},
		&Exemplar{Labels{{"a.c", "\"1\\"}, {"b", "2\n"}}, -0.5, 1520879607.789123456})
	f(&dto.Exemplar{Label: []*dto.LabelPair{pair("a", strings.Repeat("\n", 127))}}, &Exemplar{Labels: Labels{{"a", strings.Repeat("\n", 127)}}})
	f(&dto.Exemplar{Label: []*dto.LabelPair{pair("a", strings.Repeat("\n", 128))}}, nil)
	f(&dto.Exemplar{Label: []*dto.LabelPair{pair("a", "1"), pair("a", "1")}}, nil)
	f(&dto.Exemplar{Label: []*dto.LabelPair{pair("", "1")}}, nil)
	f(&dto.Exemplar{Label: []*dto.LabelPair{pair("a", "\xff")}}, nil)
	f(&dto.Exemplar{Label: []*dto.LabelPair{pair("a", "b}\x00")}}, nil)
}
