package main

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m)
}

// TestSums runs the product as it is benchmarked: what bench/fedscrape.yml merges has the right sums.
func TestSums(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()
	b := &bench{options: options{noWait: true}, dir: t.TempDir()}
	if err := b.build(ctx); err != nil {
		t.Fatal(err)
	}
	defer client.CloseIdleConnections()
	v, err := b.verify(ctx, config{3, 300, 1})
	if err != nil {
		t.Fatal(err)
	}
	if v.Right < 200 {
		t.Errorf("only %d sums", v.Right)
	}
	row, err := b.scaleRow(ctx, config{4, 100, 2})
	if err != nil {
		t.Fatal(err)
	}
	if len(row) != len(scaleHead) || slices.Contains(row, "") {
		t.Errorf("%q", row)
	}
}

func TestRisen(t *testing.T) {
	read := func(text string) page {
		p, err := readPage("# TYPE g gauge\ng 5\n# TYPE a counter\n" + text + "# TYPE fedscrape_workers gauge\nfedscrape_workers 2\n")
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	last := read("a{x=\"1 2\"} 10\na{x=\"2\"} 7\n")
	for _, test := range []struct {
		now         string
		grows, fine bool
	}{
		{"a{x=\"1 2\"} 12\na{x=\"2\"} 8\n", true, true},
		{"a{x=\"1 2\"} 12\na{x=\"2\"} 9\n", true, false},   // one too many in all
		{"a{x=\"1 2\"} 12.5\na{x=\"2\"} 8\n", true, false}, // no whole number
		{"a{x=\"1 2\"} 13\na{x=\"2\"} 7\n", true, false},   // more than all workers, and none
		{"a{x=\"1 2\"} 13\na{x=\"2\"} 7\n", false, true},
		{"a{x=\"1 2\"} 13\na{x=\"2\"} 6\n", false, false},
		{"a{x=\"1 2\"} 13\n", false, false},
	} {
		if err := risen(last, read(test.now), test.grows, 2, 3); (err == nil) != test.fine {
			t.Errorf("%q: %v", test.now, err)
		}
	}
}

func TestReplaceSection(t *testing.T) {
	name := filepath.Join(t.TempDir(), "doc.md")
	for _, test := range []struct{ old, want string }{
		{"a\n<!-- grid begin -->\nold\n<!-- grid end -->\nb\n", "a\n<!-- grid begin -->\nnew\n<!-- grid end -->\nb\n"},
		{"a\n<!-- grid begin -->\n<!-- grid end -->\n", "a\n<!-- grid begin -->\nnew\n<!-- grid end -->\n"},
		{"<!-- grid end -->\n<!-- grid begin -->\n", ""},
		{"nothing\n", ""},
	} {
		if err := os.WriteFile(name, []byte(test.old), 0o600); err != nil {
			t.Fatal(err)
		}
		err := replaceSection(name, "grid", "new\n")
		got, _ := os.ReadFile(name)
		if test.want == "" && (err == nil || string(got) != test.old) || test.want != "" && (err != nil || string(got) != test.want) {
			t.Errorf("%q: %v, %q", test.old, err, got)
		}
	}
}

func TestParseConfigs(t *testing.T) {
	got, err := parseConfigs("8x1000,1000x100x10")
	if want := []config{{8, 1000, 1}, {1000, 100, 10}}; err != nil || !slices.Equal(got, want) {
		t.Errorf("%v, %v", got, err)
	}
	for _, bad := range []string{"", "8", "8x", "x8", "0x8", "8x1x1x1", "8x1000,", "8 x 8"} {
		if got, err := parseConfigs(bad); err == nil {
			t.Errorf("%q: %v", bad, got)
		}
	}
}

func TestMarkdown(t *testing.T) {
	if got, want := markdown([][]string{{"", "a"}, {"b", number(1.234) + number(12.34) + number(123.4)}}),
		"|  | a |\n| --- | --- |\n| b | 1.2312.3123 |\n"; got != want {
		t.Errorf("%q", got)
	}
}

func TestMedian(t *testing.T) {
	all := []figures{{Med: 3, CPU: 5, RSS: 9}, {Med: 1, CPU: 6, RSS: 8}, {Med: 2, CPU: 7, RSS: 7}}
	if m := median(all); m.Med != 2 || m.CPU != 6 || m.RSS != 8 || mid([]float64{5, 1, 3}) != 3 {
		t.Errorf("%v", m)
	}
}
