package exposition

import (
	"fmt"
	"strings"
	"testing"
)

// hostile pages are long where a table keeps things: in lines, HELP texts, family names.
func TestTableIsBoundedInBytes(t *testing.T) {
	table := NewTable(10)
	for i := range 50 {
		long := strings.Repeat("a", 200+i)
		page := fmt.Sprintf("# HELP f%s %s\n# TYPE f%s gauge\nf%s 1\nx{a=%q} 1\n", long, long, long, long, strings.Repeat(long, 20))
		if err := readPage(Text, table, newCollector(), page, true); err != nil {
			t.Fatal(err)
		}
		held := 0
		for _, k := range table.index.Load().known {
			held += len(k.text)
		}
		for text := range table.texts {
			held += len(text)
		}
		for declaration := range table.contexts {
			held += len(declaration)
		}
		if held > 10*bytesPerEntry || int64(held) != table.size {
			t.Fatalf("page %d: %d bytes are kept, %d counted", i, held, table.size)
		}
	}
}

// A full table starts anew, so that what pages have now is known again.
func TestFullTableLearnsAgain(t *testing.T) {
	table, sink := NewTable(10), newCollector()
	for i := range 30 {
		if err := readPage(Text, table, sink, fmt.Sprintf("# TYPE old%d gauge\nold%d 1\n", i, i), true); err != nil {
			t.Fatal(err)
		}
	}
	asked := 0
	relabel := func(name string, labels Labels) (string, Labels, bool) { asked++; return name, labels, true }
	for range 5 {
		if _, err := NewPage(Text, table, sink, Limits{}, relabel).Write([]byte("# TYPE now gauge\nnow 1\n")); err != nil {
			t.Fatal(err)
		}
	}
	if asked != 1 {
		t.Errorf("a line is read in full %d times", asked)
	}
}

// Formats share a table, and not what they take for a line.
func TestTableKeepsFormatsApart(t *testing.T) {
	table := NewTable(10)
	if err := readPage(Text, table, newCollector(), "x{ a=\"b\" } 1\n", true); err != nil {
		t.Fatal(err)
	}
	if err := readPage(OpenMetrics, table, newCollector(), "x{ a=\"b\" } 1\n# EOF\n", true); err == nil {
		t.Error("OpenMetrics takes a line with blanks once text has taken it")
	}
}

// Two declarations never look like one, whatever characters quoted names have.
func TestTableKeepsDeclarationsApart(t *testing.T) {
	table, sink := NewTable(100), newCollector()
	for _, page := range []string{
		"# TYPE x summary\n# TYPE x_created gauge\nx_created 1\n",
		"# TYPE x gauge\n# TYPE x_created gauge\nx_created 1\n",
		"# TYPE \"x_created\x01\x05x\" gauge\nx_created 1\n",
		"# TYPE x summary\n# TYPE x_created gauge\nx_created 1\n# TYPE x gauge\n# TYPE x_created gauge\n# HELP x_created h\nx_created 1\n",
	} {
		if err := readPage(Text, table, sink, page, true); err != nil {
			t.Fatal(err)
		}
	}
	want := "x summary created = 1|x_created gauge = 1|x_created unknown = 1|x summary created = 1|x_created gauge = 1"
	if got := strings.Join(sink.lines, "|"); got != want {
		t.Errorf("%s\nwant:\n%s", got, want)
	}
}
