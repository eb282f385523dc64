package exposition

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/exemplar"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/textparse"
)

// seeds are the pages of client_python's workers and handmade ones.
func seeds(f *testing.F, more ...string) {
	f.Helper()
	paths, err := filepath.Glob("../testdata/multiprocess/*/*.prom")
	if err != nil || len(paths) == 0 {
		f.Fatalf("no seeds: %v", err)
	}
	for _, path := range paths {
		body, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(body)
	}
	for _, body := range more {
		f.Add([]byte(body))
	}
}

// parsed is a sample as the second opinion has it: all labels, the name among them, value bits, timestamp.
func secondOpinion(p textparse.Parser) (samples []string, err error) {
	for {
		entry, err := p.Next()
		switch {
		case errors.Is(err, io.EOF):
			return samples, nil
		case err != nil:
			return samples, err
		case entry != textparse.EntrySeries:
			continue
		}
		var lset labels.Labels
		p.Labels(&lset)
		_, ts, v := p.Series()
		at := int64(-1)
		if ts != nil {
			at = *ts
		}
		samples = append(samples, sampleText(lset, v, at)+theirExemplar(p))
	}
}

// theirExemplar is a sample's exemplar, if it is one that we take. Of protobuf, where they count in another way, it has no
// timestamp.
func theirExemplar(p textparse.Parser) string {
	var x exemplar.Exemplar
	if !p.Exemplar(&x) {
		return ""
	}
	_, proto := p.(*textparse.ProtobufParser)
	if proto {
		x.Ts = 0
	}
	_, twice := x.Labels.HasDuplicateLabelNames()
	good, length := !twice, 0
	var pairs []string
	x.Labels.Range(func(l labels.Label) {
		if good = good && l.Name != "" && !strings.ContainsAny(l.Name, "\"\\\n\x00") && strings.IndexByte(l.Value, 0) < 0 && utf8.ValidString(l.Name) && utf8.ValidString(l.Value); proto {
			l.Value = string(appendEscaped(nil, l.Value, true)) // as text parsers leave it
		}
		length += utf8.RuneCountInString(l.Name) + utf8.RuneCountInString(unescape([]byte(l.Value)))
		pairs = append(pairs, fmt.Sprintf("%q=%q", l.Name, l.Value))
	})
	if !good || length > 128 {
		return ""
	}
	slices.Sort(pairs)
	return exemplarText(pairs, x.Value, x.Ts)
}

func sampleText(lset labels.Labels, v float64, at int64) string {
	bits := math.Float64bits(v)
	if math.IsNaN(v) {
		bits = 1 // every NaN is one
	}
	var b strings.Builder
	lset.Range(func(l labels.Label) {
		if l.Value != "" { // to Prometheus an empty label is none
			fmt.Fprintf(&b, "%q=%q,", l.Name, spelling(l))
		}
	})
	return fmt.Sprintf("%s %x %d", b.String(), bits, at)
}

// spelling gives le and quantile one spelling, which textparse leaves as they are where the type does not fit, and a
// metric name without the blanks that textparse lets into it where they begin the line.
func spelling(l labels.Label) string {
	if l.Name == model.MetricNameLabel {
		return strings.TrimLeft(l.Value, " \t")
	}
	if l.Name == "le" || l.Name == "quantile" {
		if v, err := strconv.ParseFloat(l.Value, 64); err == nil && !math.IsNaN(v) {
			return labels.FormatOpenMetricsFloat(v + 0)
		}
	}
	return l.Value
}

// rebuilt gives a sample that we read as the page had it, with name and le or quantile.
func (c *collector) rebuilt(i int) string {
	id := c.ids[c.at[i]]
	name := id.Family
	b := labels.NewScratchBuilder(len(id.Labels) + 2)
	for _, l := range id.Labels {
		b.Add(l.Name, l.Value)
	}
	switch id.Part {
	case PartBucket:
		name += "_bucket"
		b.Add("le", labels.FormatOpenMetricsFloat(id.Bound))
	case PartQuantile:
		b.Add("quantile", labels.FormatOpenMetricsFloat(id.Bound))
	case PartSum:
		name += map[bool]string{true: "_gsum", false: "_sum"}[id.Type == GaugeHistogram]
	case PartCount:
		name += map[bool]string{true: "_gcount", false: "_count"}[id.Type == GaugeHistogram]
	case PartCreated:
		name = strings.TrimSuffix(name, "_total") + "_created"
	case PartValue:
	}
	b.Add(model.MetricNameLabel, name)
	b.Sort()
	return sampleText(b.Labels(), c.vals[i], c.times[i]) + c.exemplars[i]
}

// compare reads a page both ways.
func compare(t *testing.T, format Format, body []byte) {
	t.Helper()
	c := newCollector()
	ours := readPage(format, NewTable(1000), c, string(body), true)
	want, theirs := secondOpinion(parserOf(format, withoutCR(body)))
	if (ours == nil) != (theirs == nil) {
		if !tolerated(body, ours) {
			t.Fatalf("%q\nours: %v\ntheirs: %v", body, ours, theirs)
		}
		return
	}
	if ours != nil {
		return
	}
	if len(c.at) != len(want) {
		t.Fatalf("%q\n%d samples, want %d: %q", body, len(c.at), len(want), want)
	}
	for i := range want {
		if got := c.rebuilt(i); got != want[i] {
			t.Fatalf("%q\nsample %d is %s\nwant %s", body, i, got, want[i])
		}
	}
}

func parserOf(format Format, body []byte) textparse.Parser {
	if format == OpenMetrics {
		const end = "# EOF\n"
		if i := bytes.LastIndex(body, []byte(end)); i >= 0 && len(bytes.TrimSpace(body[i+len(end):])) == 0 {
			body = body[:i+len(end)] // we allow for blanks after it
		}
		return textparse.NewOpenMetricsParser(body, labels.NewSymbolTable())
	}
	return textparse.NewPromParser(body, labels.NewSymbolTable(), false)
}

// withoutCR is a page as Prometheus would take it: it knows no CRLF.
func withoutCR(body []byte) []byte {
	return bytes.TrimSuffix(bytes.ReplaceAll(body, []byte("\r\n"), []byte("\n")), []byte("\r"))
}

// tolerated lists where a page may be judged differently: we refuse what only Prometheus' scrape loop refuses, and a
// bucket that has no bound, and we do not let a quoted string go over several lines.
func tolerated(body []byte, ours error) bool {
	if ours == nil {
		return false
	}
	for _, reason := range []error{errTwice, errUTF8, errBound, errEmpty} {
		if strings.Contains(ours.Error(), reason.Error()) {
			return true
		}
	}
	if strings.Contains(ours.Error(), errMeta.Error()) && (bytes.Contains(body, []byte(`""`)) || !utf8.Valid(body)) {
		return true // metadata of a family without a name, or whose name is not UTF-8
	}
	return quotedNewline(body)
}

func FuzzTextMatchesTextparse(f *testing.F) {
	seeds(f, "x 1\n", "x{a=\"b\"} 1 2\n", "# HELP x\n", "# TYPE x counter\nx 1", "{\"a b\",\"c d\"=\"e\"} 1\n", "x{a=\"\\\\\\\"\\n\"} NaN\n", "x 1 \n\t\n#\n")
	f.Fuzz(func(t *testing.T, body []byte) {
		if len(body) > 1<<16 || bytes.IndexByte(body, 0) >= 0 { // textparse ends at a NUL byte
			return
		}
		compare(t, Text, body)
	})
}

// quotedNewline tells whether some line has a quote that it does not close.
func quotedNewline(body []byte) bool {
	for line := range bytes.Lines(body) {
		quotes := 0
		for i := range line {
			if line[i] == '"' && !escaped(line, i) {
				quotes++
			}
		}
		if quotes%2 == 1 {
			return true
		}
	}
	return false
}

func FuzzOpenMetricsMatchesTextparse(f *testing.F) {
	seeds(f, "x 1 # {a=\"b\",\"c d\"=\"\\n\",} NaN 1.5\n# EOF\n", "x 1 2 # {} 1\n# EOF\n", "x 1 # {a=\"1\",a=\"2\"} 1\n# EOF\n", "x 1 # {\"\"=\"1\"} 1\n# EOF\n",
		"x 1 # {a=\""+strings.Repeat("ö", 127)+"\"} 1\ny 1 # {ab=\""+strings.Repeat("\\\\", 127)+"\"} 1\n# EOF\n",
		"# EOF\n", "# TYPE x counter\nx_total 1 # {a=\"b\"} 1 2\n# EOF\n", "# UNIT x_s s\n# EOF\n", "# TYPE s stateset\ns{s=\"a\"} 1\n# EOF", "x{} 1 1.5\n# EOF\n")
	f.Fuzz(func(t *testing.T, body []byte) {
		if len(body) > 1<<16 || bytes.IndexByte(body, 0) >= 0 { // textparse ends at a NUL byte
			return
		}
		compare(t, OpenMetrics, body)
	})
}

// FuzzSplit reads a page in two pieces, cut anywhere, and in one.
func FuzzSplit(f *testing.F) {
	f.Add([]byte("# TYPE x counter\nx{a=\"b\"} 12\ny 1"), uint16(25))
	paths, _ := filepath.Glob("../testdata/multiprocess/*/w*.prom")
	for i, path := range paths {
		body, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(body, uint16(i*37))
	}
	f.Fuzz(func(t *testing.T, body []byte, at uint16) {
		whole, split := newCollector(), newCollector()
		wantErr := readPage(Text, NewTable(100), whole, string(body), true)
		p := NewPage(Text, NewTable(100), split, Limits{}, nil)
		cut := min(int(at), len(body))
		_, err := p.Write(body[:cut])
		if err == nil {
			_, err = p.Write(body[cut:])
		}
		if err == nil {
			err = p.Close(true)
		}
		if fmt.Sprint(err) != fmt.Sprint(wantErr) || strings.Join(split.lines, "\n") != strings.Join(whole.lines, "\n") {
			t.Fatalf("cut at %d: %v %q\nwhole: %v %q", cut, err, split.lines, wantErr, whole.lines)
		}
	})
}
