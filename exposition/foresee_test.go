package exposition

import (
	"fmt"
	"strings"
	"testing"
)

// samplesPage has one family.
func samplesPage(lines int) []byte {
	var b strings.Builder
	b.WriteString("# TYPE x counter\n")
	for i := range lines {
		fmt.Fprintf(&b, "x_total{endpoint=\"/api/v1/things/%07d\",method=\"get\",code=\"200\"} %d\n", i, i)
	}
	return []byte(b.String())
}

// TestForesee: a page that tells its length has room for its lines after the first piece, and no more than it may need.
func TestForesee(t *testing.T) {
	const piece = 64 << 10
	for _, tt := range []struct {
		name  string
		lines int
		told  int // percent of the length
		want  int // how often the sink is told
	}{
		{"told", 9000, 100, 2},
		{"more than is believed at first", 40_000, 100, 3},
		{"not told", 9000, 0, 1},
		{"less than there is", 9000, 1, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			lines, body := tt.lines, samplesPage(tt.lines)
			w := newWorker(newCollector(), NewTable(1<<20))
			w.length = int64(len(body) * tt.told / 100)
			if _, err := w.page(Text, body, func(int) int { return piece }); err != nil {
				t.Fatal(err)
			}
			if len(w.foreseen) != tt.want {
				t.Fatalf("told %d times: %v", len(w.foreseen), w.foreseen)
			}
			if last := w.foreseen[tt.want-1]; tt.want > 1 && (last < lines || last > lines*9/8) {
				t.Errorf("told of %d samples, want %d or a little more", last, lines)
			}
			if room := cap(w.lines.entries); tt.want > 1 && (room < lines || room > lines*5/4) {
				t.Errorf("room for %d lines, want %d or a little more", room, lines)
			}
			w.foreseen = nil
			if _, err := w.page(Text, body, func(int) int { return piece }); err != nil || len(w.foreseen) > 0 {
				t.Errorf("a page that repeats the last one: told %v, error %v", w.foreseen, err)
			}
		})
	}
}

// TestForeseeLeavesALittleMoreAlone: a page with a few lines more than the last unknown one had grows once, by itself.
func TestForeseeLeavesALittleMoreAlone(t *testing.T) {
	table, c := NewTable(1<<20), newCollector()
	for i, lines := range []int{4000, 4300} {
		w, body := newWorker(c, table), samplesPage(lines)
		w.length = int64(len(body))
		if _, err := w.page(Text, body, func(int) int { return 16 << 10 }); err != nil {
			t.Fatal(err)
		}
		if want := 2 - i; len(w.foreseen) != want {
			t.Errorf("page %d: told %v, want %d times", i, w.foreseen, want)
		}
	}
}

// TestForeseenTableGrowsOnce: what a table has for its lines is not copied again and again while a page of it is learnt.
func TestForeseenTableGrowsOnce(t *testing.T) {
	const lines, piece = 9000, 64 << 10
	body, table := samplesPage(lines), NewTable(1<<20)
	p := NewPage(Text, table, constant{}, Limits{}, nil)
	p.Expect(nil, constant{})
	p.Foresee(int64(len(body)))
	var rooms []int
	for ; len(body) > 0; body = body[min(piece, len(body)):] {
		if _, err := p.Write(body[:min(piece, len(body))]); err != nil {
			t.Fatal(err)
		}
		if room := len(table.index.Load().known); len(rooms) == 0 || rooms[len(rooms)-1] != room {
			rooms = append(rooms, room)
		}
	}
	if len(rooms) != 2 || rooms[1] < lines || rooms[1] > 2*lines {
		t.Errorf("room for %v lines after the pieces: want that of the first, then of all %d", rooms, lines)
	}
}

// TestForeseeDoesNotRelyOnLengths: a worker that tells a great length gets no memory for what does not come.
func TestForeseeDoesNotRelyOnLengths(t *testing.T) {
	for _, limits := range []Limits{{}, {Samples: 10_000}} {
		testGreatLength(t, limits)
	}
}

func testGreatLength(t *testing.T, limits Limits) {
	t.Helper()
	const piece = 64 << 10
	var b strings.Builder
	for i := 0; b.Len() < 2*piece; i++ {
		fmt.Fprintf(&b, "x{a=\"%d\"} 1\n", i)
	}
	body, w := []byte(b.String()), newWorker(newCollector(), NewTable(1<<20))
	p := NewPage(Text, w.table, w, limits, nil)
	p.Expect(nil, w)
	p.Foresee(1 << 40)
	for _, part := range [][]byte{body[:100], body[100:2000], body[2000:piece], body[piece:]} {
		if _, err := p.Write(part); err != nil {
			t.Fatal(err)
		}
	}
	for i, n := range w.foreseen {
		if came := w.came[i]; i > 0 && n > 17*came {
			t.Errorf("%d samples had come, and %d were foreseen", came, n)
		}
		if most := limits.Samples; most > 0 && n > most*5/4 {
			t.Errorf("%d samples are allowed, and %d were foreseen", most, n)
		}
	}
	if room := len(w.table.index.Load().known); room > 2*maxCommon {
		t.Errorf("the table has room for %d lines", room)
	}
}
