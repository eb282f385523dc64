package web

import (
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"

	"github.com/fedscrape/fedscrape/exposition"
	"github.com/fedscrape/fedscrape/federator"
)

// instancesPath is where all instances are listed.
const instancesPath = "/api/v1/instances"

// merged answers with one instance's merged page.
func (s *Server) merged(w http.ResponseWriter, r *http.Request) {
	job, instance := r.URL.Query().Get("job"), r.URL.Query().Get("instance")
	if job == "" || instance == "" {
		refuse(w, http.StatusBadRequest, "job and instance are needed: /merged?job=JOB&instance=INSTANCE; known ones are at %s", s.link(instancesPath))
		return
	}
	ctx, cancel := withScrapeDeadline(r)
	defer cancel()
	page, err := s.options.Federator.Gather(ctx, job, instance)
	if err != nil {
		s.noPage(w, r, err)
		return
	}
	s.writePage(w, r, page)
}

// noPage says why there is no page.
func (s *Server) noPage(w http.ResponseWriter, r *http.Request, err error) {
	var unknown *federator.UnknownInstanceError
	var down *federator.NoWorkerUpError
	var notReady *federator.NotReadyError
	switch {
	case errors.As(err, &unknown):
		refuse(w, http.StatusNotFound, "%s", s.unknownText(unknown))
	case errors.As(err, &down):
		refuse(w, http.StatusServiceUnavailable, "%s", downText(down))
	case errors.As(err, &notReady):
		refuse(w, http.StatusServiceUnavailable, "%v", err)
	default:
		s.options.Logger.Error("Merged page has an error", "url", r.URL.Path, "err", err)
		refuse(w, http.StatusInternalServerError, "%v", err)
	}
}

func (s *Server) unknownText(e *federator.UnknownInstanceError) string {
	if e.Total == 0 {
		return fmt.Sprintf("%v; none is known; see %s", e, s.link(instancesPath))
	}
	text := fmt.Sprintf("%v; known: %s", e, strings.Join(e.Known, ", "))
	if more := e.Total - len(e.Known); more > 0 {
		text += fmt.Sprintf(" and %d more, see %s", more, s.link(instancesPath))
	}
	return text
}

// downText gives a line a worker.
func downText(e *federator.NoWorkerUpError) string {
	if len(e.Failures) == 0 {
		return "no worker is present"
	}
	lines := make([]string, len(e.Failures))
	for i, f := range e.Failures {
		lines[i] = fmt.Sprintf("%s %s: %s", f.WorkerID, f.Address, f.Reason)
	}
	return strings.Join(lines, "\n")
}

var gzipWriters = sync.Pool{New: func() any {
	w, _ := gzip.NewWriterLevel(io.Discard, gzip.BestSpeed)
	return w
}}

// writePage encodes the page as the request likes it.
func (s *Server) writePage(w http.ResponseWriter, r *http.Request, page *federator.Page) {
	enc := exposition.Negotiate(strings.Join(r.Header.Values("Accept"), ","))
	w.Header().Set("Content-Type", enc.ContentType())
	w.Header().Set("Vary", "Accept, Accept-Encoding")
	var out io.Writer = w
	if acceptsGzip(r) {
		w.Header().Set("Content-Encoding", "gzip")
		z := gzipWriters.Get().(*gzip.Writer)
		defer gzipWriters.Put(z)
		z.Reset(w)
		defer func() { _ = z.Close() }()
		out = z
	}
	if err := exposition.Encode(out, enc, page.Families); err != nil && !errors.Is(err, context.Canceled) {
		s.options.Logger.Debug("Merged page was not sent whole", "err", err)
	}
}

func acceptsGzip(r *http.Request) bool {
	for clause := range strings.SplitSeq(strings.Join(r.Header.Values("Accept-Encoding"), ","), ",") {
		coding, params, _ := strings.Cut(clause, ";")
		if strings.TrimSpace(coding) == "gzip" {
			q := strings.ReplaceAll(params, " ", "")
			return q != "q=0" && q != "q=0.0"
		}
	}
	return false
}
