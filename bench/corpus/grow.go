package corpus

import (
	"bytes"
	"math"
	"strconv"
)

// Growing is a worker's body whose values go on from answer to answer: a process that counts, where two rounds that
// alternate are one that begins anew at every other answer. It is patched in place, because as many rounds rendered
// in advance would fit into no cache.
type Growing struct {
	Body  []byte
	ones  []int32 // last integer digits of what counts
	flips []int32 // a digit of each gauge that moves
}

// Grow renders worker w's body with at least five digits before the point of what counts, so that Step changes no length.
func (s *Schema) Grow(w int) (*Growing, int) {
	body, samples := s.Render(nil, w, 0)
	g := &Growing{}
	typ := ""
	for line := range bytes.Lines(body) {
		cut := bytes.LastIndexByte(line, ' ') + 1
		switch {
		case line[0] == '#':
			typ = string(line[cut : len(line)-1])
			g.Body = append(g.Body, line...)
		case typ == "gauge":
			g.gauge(line, cut)
		default:
			g.count(line, cut)
		}
	}
	return g, samples
}

func (g *Growing) gauge(line []byte, cut int) {
	name, _, _ := bytes.Cut(line[:cut-1], []byte("{"))
	constant := bytes.HasSuffix(name, []byte("_info")) || bytes.HasSuffix(name, []byte("_start_time_seconds")) ||
		bytes.HasSuffix(name, []byte("_max_fds"))
	if !constant {
		value := line[cut:]
		end := bytes.IndexByte(value, 'e')
		if end < 0 {
			end = bytes.IndexByte(value, '.')
		}
		g.flips = append(g.flips, int32(len(g.Body)+cut+end-1))
	}
	g.Body = append(g.Body, line...)
}

func (g *Growing) count(line []byte, cut int) {
	v, err := strconv.ParseFloat(string(line[cut:len(line)-1]), 64)
	if err != nil {
		panic(err)
	}
	v += 10000
	if v < 100000 {
		v = math.Min(v, 90000) // room for ten thousand steps; buckets stay in order
	}
	g.Body = append(g.Body, line[:cut]...)
	start := len(g.Body)
	g.Body = Float(g.Body, v)
	g.ones = append(g.ones, int32(start+bytes.IndexByte(g.Body[start:], '.')-1))
	g.Body = append(g.Body, '\n')
}

// Step adds 1 to all that counts and moves the gauges to and fro. There is room for 9,999 steps.
func (g *Growing) Step() {
	b := g.Body
	for _, i := range g.ones {
		b[i]++
		for b[i] > '9' {
			b[i] = '0'
			i--
			b[i]++
		}
	}
	for _, i := range g.flips {
		b[i] ^= 1
	}
}
