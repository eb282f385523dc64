package exposition

import (
	"bytes"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/textparse"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// dice makes choices from bytes, so that a fuzzer can change each of them; at their end it chooses the first.
type dice struct{ bytes []byte }

func (d *dice) pick(n int) int {
	if len(d.bytes) == 0 {
		return 0
	}
	b := d.bytes[0]
	d.bytes = d.bytes[1:]
	return int(b) % n
}

func choose[T any](d *dice, of ...T) T { return of[d.pick(len(of))] }

func (d *dice) name() string {
	return choose(d, "x", "x_total", "y", "x_created", "x_sum", "x_bucket", "x_count", "y.z", "é", "a b", "q\"t", "x_info", "n\nl", "b\\s", "", "\x00", "\xff")
}

func (d *dice) value() float64 {
	return choose(d, 1, 0, -1, 0.1, math.NaN(), math.Inf(1), math.Inf(-1), 5e-324, 1e300, 9007199254740993, math.Float64frombits(0x7ff0000000000002))
}

func (d *dice) count() *uint64 {
	return choose(d, new(uint64(3)), nil, new(uint64(0)), new(uint64(math.MaxUint64)), new(uint64(1<<53+1)))
}

func (d *dice) labels() (pairs []*dto.LabelPair) {
	for range d.pick(4) {
		pair := &dto.LabelPair{Name: new(choose(d, "a", "b", "le", "quantile", "c.d", "é", "__name__", "", "\x00")), Value: new(choose(d, "v", "", "\\\"\n", "ö", "1", "\xff", "a,b={}"))}
		if d.pick(16) == 1 {
			pair.Value = nil
		}
		pairs = append(pairs, pair)
	}
	return pairs
}

func (d *dice) family() *dto.MetricFamily {
	f := &dto.MetricFamily{Name: new(d.name()), Type: choose(d, dto.MetricType_GAUGE, dto.MetricType_COUNTER, dto.MetricType_SUMMARY, dto.MetricType_UNTYPED, dto.MetricType_HISTOGRAM).Enum()}
	if d.pick(2) == 1 {
		f.Help = new(choose(d, "help", "", "two\nlines \\ \"", " blanks\t", "ö"))
	}
	for range 1 + d.pick(3) {
		m := &dto.Metric{Label: d.labels()}
		if d.pick(4) == 1 {
			m.TimestampMs = choose(d, new(int64(1234)), new(int64(0)), new(int64(-1)), new(int64(math.MaxInt64)))
		}
		d.fill(m, *f.Type)
		f.Metric = append(f.Metric, m)
	}
	return f
}

func (d *dice) fill(m *dto.Metric, typ dto.MetricType) {
	v := new(d.value())
	if d.pick(16) == 1 {
		typ = dto.MetricType_UNTYPED // which may be none of the family's
	}
	switch typ {
	case dto.MetricType_COUNTER:
		m.Counter = &dto.Counter{Value: v}
		if d.pick(4) == 1 {
			m.Counter.Exemplar = d.exemplar(v)
		}
	case dto.MetricType_GAUGE:
		m.Gauge = &dto.Gauge{Value: v}
	case dto.MetricType_UNTYPED:
		m.Untyped = &dto.Untyped{Value: v}
	case dto.MetricType_SUMMARY:
		m.Summary = &dto.Summary{SampleCount: d.count(), SampleSum: v}
		for range d.pick(4) {
			m.Summary.Quantile = append(m.Summary.Quantile, &dto.Quantile{Quantile: new(d.value()), Value: new(d.value())})
		}
	default:
		d.histogram(m, v)
	}
}

func (d *dice) exemplar(v *float64) *dto.Exemplar {
	x := &dto.Exemplar{Label: d.labels(), Value: v}
	if d.pick(2) == 1 {
		x.Timestamp = &timestamppb.Timestamp{Seconds: int64(d.pick(100)), Nanos: int32(d.pick(100)) * 1e7}
	}
	if d.pick(8) == 1 {
		x.Label = append(x.Label, &dto.LabelPair{Name: new("long"), Value: new(strings.Repeat("ö\n", 20+d.pick(80)))})
	}
	return x
}

func (d *dice) histogram(m *dto.Metric, sum *float64) {
	m.Histogram = &dto.Histogram{SampleCount: d.count(), SampleSum: sum}
	if d.pick(4) == 1 {
		m.Histogram.SampleCountFloat = new(d.value())
	}
	for range d.pick(4) {
		b := &dto.Bucket{CumulativeCount: d.count(), UpperBound: new(d.value())}
		if d.pick(8) == 1 {
			b.CumulativeCountFloat = new(d.value())
		}
		if d.pick(4) == 1 {
			b.Exemplar = d.exemplar(sum)
		}
		m.Histogram.Bucket = append(m.Histogram.Bucket, b)
	}
	if d.pick(4) == 1 {
		m.Histogram.PositiveSpan = []*dto.BucketSpan{{Offset: new(int32(-1)), Length: new(uint32(1))}}
		m.Histogram.PositiveDelta, m.Histogram.Schema = []int64{5}, new(int32(3))
	}
}

// checkFamilies reads families in text and in protobuf, each twice: what one refuses the other does, and what they say
// is one. It gives how many samples they have.
func checkFamilies(t *testing.T, families []*dto.MetricFamily) int {
	t.Helper()
	var text bytes.Buffer
	for _, f := range families {
		if _, err := expfmt.MetricFamilyToText(&text, f); err != nil {
			if page := written(t, protoDelim, f); readPage(Protobuf, NewTable(100), newCollector(), page, true) == nil {
				t.Fatalf("%v is taken, which text cannot say: %v", f, err)
			}
			return 0
		}
	}
	page := written(t, protoDelim, families...)
	want, got, wantTable, gotTable := newCollector(), newCollector(), NewTable(100), NewTable(100)
	for range 2 {
		wantErr, err := readPage(Text, wantTable, want, text.String(), true), readPage(Protobuf, gotTable, got, page, true)
		if (wantErr == nil) != (err == nil) {
			t.Fatalf("%v\nprotobuf: %v\ntext: %v\n%s", families, err, wantErr, &text)
		}
		if err != nil {
			return 0
		}
	}
	for i, line := range got.lines {
		got.lines[i] = unsigned(line)
	}
	if !slices.Equal(got.lines, want.lines) || !slices.Equal(got.metas, want.metas) {
		t.Fatalf("protobuf: %q %q\ntext: %q %q", got.lines, got.metas, want.lines, want.metas)
	}
	return len(got.lines)
}

func diceFamilies(data []byte) (families []*dto.MetricFamily) {
	d := &dice{data}
	for range 1 + d.pick(4) {
		families = append(families, d.family())
	}
	return families
}

func FuzzProtobufMatchesText(f *testing.F) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 50 {
		data := make([]byte, r.IntN(200))
		for i := range data {
			data[i] = byte(r.Uint32())
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) { checkFamilies(t, diceFamilies(data)) })
}

// TestRandomFamiliesMatchText is what fuzzing finds without a fuzzer.
func TestRandomFamiliesMatchText(t *testing.T) {
	count := 20000
	if testing.Short() {
		count = 2000
	}
	r := rand.New(rand.NewPCG(3, 4))
	samples, good := 0, 0
	data := make([]byte, 300)
	for range count {
		for i := range data {
			data[i] = byte(r.Uint32())
			if r.IntN(2) == 0 {
				data[i] = byte(r.IntN(3)) // the first choices are the good ones
			}
		}
		if n := checkFamilies(t, diceFamilies(data)); n > 0 {
			samples, good = samples+n, good+1
		}
	}
	t.Logf("%d good of %d, %d samples", good, count, samples)
	if good < count/20 {
		t.Errorf("of %d pages only %d are good, with %d samples: they test little", count, good, samples)
	}
}

// protoOpinion is a page as Prometheus reads it, without native histograms.
func protoOpinion(body []byte) ([]string, error) {
	p := textparse.NewProtobufParser(body, true, true, false, false, labels.NewSymbolTable())
	samples, err := secondOpinion(p)
	slices.Sort(samples)
	return samples, err
}

// rebuiltProto are the samples as Prometheus gives them: of a gauge histogram _count and _sum, no timestamp where it is 0,
// and no bucket behind that of +Inf.
func (c *collector) rebuiltProto() (samples []string) {
	infinite := false
	for i, slot := range c.at {
		bucket := c.ids[slot].Part == PartBucket
		if c.times[i] == 0 {
			c.times[i] = -1
		}
		if at := strings.LastIndexByte(c.exemplars[i], ' '); at >= 0 {
			c.exemplars[i] = c.exemplars[i][:at] + " 0" // they count timestamps in another way
		}
		if !bucket || !infinite {
			samples = append(samples, strings.NewReplacer(`_gcount",`, `_count",`, `_gsum",`, `_sum",`).Replace(c.rebuilt(i)))
		}
		infinite = bucket && (infinite || math.IsInf(c.ids[slot].Bound, 1))
	}
	slices.Sort(samples)
	return samples
}

// FuzzProtobufMatchesTextparse reads any bytes: what we take Prometheus takes, and says the same; what it takes and we do
// not is one of the things that spoil a merged page, or that it takes for 0.
func FuzzProtobufMatchesTextparse(f *testing.F) {
	f.Add([]byte(written(f, protoDelim, gathered(f)...)))
	f.Add([]byte{})
	f.Add([]byte{0})
	r := rand.New(rand.NewPCG(5, 6))
	for range 20 {
		data := make([]byte, 100)
		for i := range data {
			data[i] = byte(r.IntN(4))
		}
		f.Add([]byte(written(f, protoDelim, diceFamilies(data)...)))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		if len(body) > 1<<16 {
			return
		}
		c := newCollector()
		ours := readPage(Protobuf, NewTable(1000), c, string(body), true)
		want, theirs := protoOpinion(body)
		if ours != nil || theirs != nil {
			if ours != nil && theirs == nil && !refused(ours) {
				t.Fatalf("ours: %v\ntheirs: %q", ours, want)
			}
			return
		}
		if got := c.rebuiltProto(); !slices.Equal(got, want) {
			t.Fatalf("got  %q\nwant %q", got, want)
		}
	})
}

// refused tells whether an error is one that only we have; families without a series are not looked at by Prometheus.
func refused(ours error) bool {
	return slices.ContainsFunc([]error{
		errTwice, errBound, errEmpty, errNUL, errNoName, errNoValue, errTimestamp, errWire, errLongMessage, errNameUTF8, errHelp, errType,
	}, func(reason error) bool { return strings.Contains(ours.Error(), reason.Error()) })
}
