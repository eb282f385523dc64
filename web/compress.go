package web

import (
	"compress/gzip"
	"io"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"sync"

	"github.com/klauspost/compress/zstd"
)

// encoder is a compressor that can be used again: a new one costs more than a small page.
type encoder interface {
	io.WriteCloser
	Reset(w io.Writer)
}

var encoders = map[string]*sync.Pool{
	"gzip": {New: func() any {
		z, _ := gzip.NewWriterLevel(nil, gzip.BestSpeed)
		return z
	}},
	// One goroutine at a time and a small window: pages are read by the dozen, at the same moment.
	"zstd": {New: func() any {
		z, _ := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithWindowSize(512<<10))
		return z
	}},
}

// chooseCoding gives the coding that the request likes best, and tells it; empty is none.
func chooseCoding(w http.ResponseWriter, r *http.Request) string {
	w.Header().Add("Vary", "Accept-Encoding")
	coding := acceptedCoding(strings.Join(r.Header.Values("Accept-Encoding"), ","))
	if coding != "" {
		w.Header().Set("Content-Encoding", coding)
	}
	return coding
}

// compress gives the writer for a body in a coding, and what ends the body.
func compress(body *whole, coding string) (out io.Writer, end func()) {
	pool := encoders[coding]
	if pool == nil {
		return body, body.end
	}
	z := pool.Get().(encoder)
	z.Reset(body)
	return z, func() {
		_ = z.Close() // an error is the reader's, who is gone: nobody is there to tell
		z.Reset(nil)
		pool.Put(z)
		body.end()
	}
}

// acceptedCoding is the best liked of ours in an Accept-Encoding header, of equals zstd; empty where there is none.
func acceptedCoding(accept string) string {
	best, bestQ := "", 0.0
	for clause := range strings.SplitSeq(accept, ",") {
		coding, params, err := mime.ParseMediaType(strings.TrimSpace(clause))
		if err != nil || encoders[coding] == nil {
			continue
		}
		q := 1.0
		if text, ok := params["q"]; ok {
			q, _ = strconv.ParseFloat(text, 64)
		}
		if q > bestQ || q == bestQ && q > 0 && coding == "zstd" {
			best, bestQ = coding, q
		}
	}
	return best
}
