package exposition

import (
	"bytes"
	"errors"
	"math"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"

	dto "github.com/prometheus/client_model/go"
	"google.golang.org/protobuf/encoding/protowire"
)

// framed puts the length before a message.
func framed(message []byte) string { return string(protowire.AppendBytes(nil, message)) }

// fields are a message of fields with a length: a number, then what it has.
func fields(of ...any) (b []byte) {
	for i := 0; i < len(of); i += 2 {
		b = protowire.AppendTag(b, protowire.Number(of[i].(int)), protowire.BytesType)
		switch v := of[i+1].(type) {
		case string:
			b = protowire.AppendString(b, v)
		case []byte:
			b = protowire.AppendBytes(b, v)
		}
	}
	return b
}

// TestBadProtobuf: each fault has an error that says what and where.
func TestBadProtobuf(t *testing.T) {
	f := func(want, body string) {
		t.Helper()
		err := readPage(Protobuf, NewTable(100), newCollector(), body, true)
		if err == nil || err.Error() != want {
			t.Errorf("%q: got error %v, want %s", body, err, want)
		}
		if _, ok := errors.AsType[*ParseError](err); err != nil && !ok {
			t.Errorf("%q: error %T", body, err)
		}
	}
	counter := fields(3, []byte{})
	good := framed(fields(1, "good", 4, counter))
	f(`message 1: the family has no name`, "\x00")
	f(`message 1: the family has no name`, framed(fields(2, "help", 4, counter)))
	f(`message 2: the family has no name`, good+framed(fields(1, "", 4, counter)))
	f(`message 1: a name is not valid UTF-8: "a`+"\uFFFD"+`"`, framed(fields(1, "a\xff", 4, counter)))
	f(`message 1: a name has a NUL byte, which Prometheus cannot read: "a\x00"`, framed(fields(1, "a\x00", 4, counter)))
	f(`message 1: the help or the unit is not valid UTF-8: "a"`, framed(fields(1, "a", 2, "\xff", 4, counter)))
	f(`message 1: the help or the unit is not valid UTF-8: "a"`, framed(fields(1, "a", 5, "\xff", 4, counter)))
	f(`message 1: the type is not known: "a"`, framed(append(fields(1, "a", 4, counter), 3<<3, 6)))
	f(`message 1: the type is not known: "a"`, framed(protowire.AppendVarint(append(fields(1, "a"), 3<<3), math.MaxUint64)))
	// A series without what its type wants would be 0, which reads as a reset.
	f(`message 1: a series lacks the value that the family's type wants: "a"`, framed(fields(1, "a", 4, fields(2, []byte{}))))
	f(`message 2: a series lacks the value that the family's type wants: "a"`, good+framed(fields(1, "a", 4, []byte{})))
	f(`message 1: the message is not that of a metric family: "a"`, framed(fields(1, "a", 4, fields(3, []byte{}, 3, []byte{}))))
	f(`message 1: the message is not that of a metric family: "a"`, framed(fields(1, "a", 4, fields(3, []byte{1<<3 | 1, 0}))))
	f(`message 1: the message is not that of a metric family: "a"`, framed(fields(1, "a", 4, fields(3, []byte{1 << 3, 0}))))
	f(`message 1: the message is not that of a metric family: "a"`, framed(append(fields(1, "a", 4, counter), 4<<3|2, 100)))
	f(`message 1: the message is not that of a metric family`, framed([]byte{0}))
	f(`message 1: the message is not that of a metric family`, "\x07# HELP x")
	// Labels.
	label := func(l []byte) string { return framed(fields(1, "a", 4, fields(1, l, 3, []byte{}))) }
	f(`message 1: a name is empty: "a"`, label(fields(2, "v")))
	f(`message 1: a name is not valid UTF-8: "a"`, label(fields(1, "\xff", 2, "v")))
	f(`message 1: a name has a NUL byte, which Prometheus cannot read: "a"`, label(fields(1, "\x00", 2, "v")))
	f(`message 1: a label value is not valid UTF-8: "a"`, label(fields(1, "l", 2, "\xff")))
	f(`message 1: a label name is there twice: "a"`, label(fields(1, "__name__", 2, "v")))
	f(`message 1: a label name is there twice: "a"`, framed(fields(1, "a", 4, fields(1, fields(1, "l", 2, "v"), 1, fields(1, "l", 2, "w"), 3, []byte{}))))
	f(`message 1: the message is not that of a metric family: "a"`, label([]byte{1<<3 | 2, 5}))
	f(`message 1: the labels of a series are longer than 1 MiB: "a"`, label(fields(1, "l", 2, strings.Repeat("v", 1<<20))))
	// A bound that is none, and a histogram that has its own le.
	nan := &dto.Metric{Histogram: &dto.Histogram{Bucket: []*dto.Bucket{{UpperBound: new(math.NaN())}}}}
	f(`message 1: a bucket needs a label le that is a number: "h"`, written(t, protoDelim, familyOf("h", dto.MetricType_HISTOGRAM, nan)))
	le := metricOf("le", "1")
	le.Histogram = &dto.Histogram{}
	f(`message 1: a label name is there twice: "h"`, written(t, protoDelim, familyOf("h", dto.MetricType_HISTOGRAM, le)))
	// Lengths.
	f(`message 1: the page ends inside a message: it is not whole`, "\x05")
	f(`message 1: the page ends inside a message: it is not whole`, "\x80")
	f(`message 2: the page ends inside a message: it is not whole`, good+good[:len(good)-1])
	f(`message 1: the message is longer than 64 MiB, or its length is no number`, "\xff\xff\xff\x7f")
	f(`message 2: the message is longer than 64 MiB, or its length is no number`, good+"\x81\x80\x80\x80\x80\x80\x00")
	f(`message 1: the message is longer than 64 MiB, or its length is no number`, strings.Repeat("\xff", 20))
}

// TestTextIsNoProtobuf: a page in another format than its Content-Type says is refused.
func TestTextIsNoProtobuf(t *testing.T) {
	families := gathered(t)
	if err := readPage(Protobuf, NewTable(1000), newCollector(), written(t, plainText, families...), true); err == nil {
		t.Error("text is taken for protobuf")
	}
	if err := readPage(Text, NewTable(1000), newCollector(), written(t, protoDelim, families...), true); err == nil {
		t.Error("protobuf is taken for text")
	}
}

// TestEveryProtobufPrefixIsJudged cuts a page everywhere: only between two families does it look whole.
func TestEveryProtobufPrefixIsJudged(t *testing.T) {
	whole := map[int]bool{0: true}
	page := ""
	for _, family := range gathered(t) {
		page += written(t, protoDelim, family)
		whole[len(page)] = true
	}
	table, c := NewTable(1000), newCollector()
	for n := range len(page) + 1 {
		if err := readPage(Protobuf, table, c, page[:n], true); (err == nil) != whole[n] {
			t.Fatalf("%d bytes of %d: error %v", n, len(page), err)
		}
	}
}

// TestProtobufBitsAreJudged turns bits of a page over: it is refused, or it says what Prometheus reads in it too.
func TestProtobufBitsAreJudged(t *testing.T) {
	page := []byte(written(t, protoDelim, gathered(t)...))
	table, c, flipped, refusals := NewTable(10000), newCollector(), 0, 0
	for i := 0; i < 8*len(page); i += 67 {
		flipped++
		page[i/8] ^= 1 << (i % 8)
		c.lines, c.metas, c.at, c.vals, c.times, c.exemplars = nil, nil, nil, nil, nil, nil
		ours := readPage(Protobuf, table, c, string(page), true)
		if want, theirs := protoOpinion(bytes.Clone(page)); ours != nil {
			refusals++
		} else if theirs == nil && !slices.Equal(c.rebuiltProto(), want) {
			t.Fatalf("bit %d of byte %d: got %q\nwant %q", i%8, i/8, c.rebuiltProto(), want)
		}
		page[i/8] ^= 1 << (i % 8)
	}
	if refusals < flipped/8 || refusals == flipped {
		t.Errorf("of %d flipped bits %d are refused", flipped, refusals)
	}
}

// TestProtobufLengthsAreNotBelieved: what a page says about how much will come costs nothing before it has come.
func TestProtobufLengthsAreNotBelieved(t *testing.T) {
	f := func(name string, most uint64, pieces ...string) {
		t.Helper()
		buffers.Put(new([]byte)) // none of a large one
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		p := NewPage(Protobuf, NewTable(100), newCollector(), Limits{Samples: 10}, nil)
		var err error
		for i := 0; i < len(pieces) && err == nil; i++ {
			_, err = p.Write([]byte(pieces[i]))
		}
		if err == nil {
			err = p.Close(true)
		}
		if runtime.ReadMemStats(&after); err == nil || after.TotalAlloc-before.TotalAlloc > most {
			t.Errorf("%s: error %v after %d bytes", name, err, after.TotalAlloc-before.TotalAlloc)
		}
	}
	huge := protowire.AppendVarint(nil, math.MaxInt64)
	f("the message", 4<<20, string(protowire.AppendVarint(nil, maxMessage)), "abc")
	f("a field", 1<<16, framed(append([]byte{1<<3 | 2}, huge...)))
	f("a series", 1<<16, framed(append(append(fields(1, "a"), 4<<3|2), huge...)))
	f("a label", 1<<16, framed(fields(1, "a", 4, append(append([]byte{1<<3 | 2}, huge...), "abc"...))))
	f("a histogram", 1<<16, framed(append(fields(1, "a", 4, append([]byte{7<<3 | 2}, huge...)), 3<<3, 4)))
	// What is small in the page and large in others' memory: buckets, spans, families and groups in groups.
	buckets := append(fields(1, "a", 4, fields(7, bytes.Repeat(fields(3, []byte{}), 1<<19))), 3<<3, 4)
	f("buckets", 4<<20, framed(buckets))
	var families strings.Builder
	for i := range 1 << 16 {
		families.WriteString(framed(fields(1, strconv.Itoa(i))))
	}
	f("families", 2<<20, families.String(), "\x00")
	f("groups", 2<<20, framed(append(fields(1, "a"), bytes.Repeat([]byte{7<<3 | 3}, 1<<19)...)))
}

// TestBadProtobufLeavesNothing: a page that is refused does no harm to the next one.
func TestBadProtobufLeavesNothing(t *testing.T) {
	page := written(t, protoDelim, gathered(t)...)
	table, c := NewTable(1000), newCollector()
	if err := readPage(Protobuf, table, c, page, true); err != nil {
		t.Fatal(err)
	}
	want := c.lines
	for n := 1; n < len(page); n += 97 {
		bad := NewPage(Protobuf, table, c, Limits{}, nil)
		for _, piece := range []string{page[:n/2], page[n/2 : n], "\x00\x00\x00\x00"} {
			_, _ = bad.Write([]byte(piece))
		}
		_ = bad.Close(true)
		c.lines = nil
		if err := readPage(Protobuf, table, c, page, true); err != nil || !slices.Equal(c.lines, want) {
			t.Fatalf("after a page that broke off at byte %d: %v", n, err)
		}
	}
}
