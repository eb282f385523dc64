package web

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/fedscrape/fedscrape/exposition"
	"github.com/fedscrape/fedscrape/federator"
)

// instancesPath is where all instances are listed.
const instancesPath = "/api/v1/instances"

// merged answers with one instance's merged page.
func (s *Server) merged(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	job, instance := query.Get("job"), query.Get("instance")
	if missing := missingParams(job, instance); missing != "" {
		refuse(w, http.StatusBadRequest, "%s missing: want /merged?job=JOB&instance=INSTANCE; known ones are at %s", missing, s.link(instancesPath))
		return
	}
	ctx, cancel := withScrapeDeadline(r)
	defer cancel()
	// How long the workers may take is for the job's scrape_timeout and Prometheus to say. HTTP/2 would end a request whose
	// write deadline passes, although nothing is written yet.
	control := http.NewResponseController(w)
	_ = control.SetWriteDeadline(time.Time{})
	page, err := s.options.Federator.Prepare(ctx, job, instance)
	_ = control.SetWriteDeadline(time.Now().Add(writeTimeout))
	if err != nil {
		s.noPage(w, r, err)
		return
	}
	s.writePage(w, r, page)
}

// missingParams says which of the two that name an instance are not in the request; empty where both are.
func missingParams(job, instance string) string {
	switch {
	case job == "" && instance == "":
		return "job and instance are"
	case job == "":
		return "job is"
	case instance == "":
		return "instance is"
	}
	return ""
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
		s.options.Logger.Error("Merged page has an error", "job", r.URL.Query().Get("job"), "instance", r.URL.Query().Get("instance"), "err", err)
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

// writePage encodes the page as the request likes it.
func (s *Server) writePage(w http.ResponseWriter, r *http.Request, page *federator.Page) {
	enc := exposition.Negotiate(strings.Join(r.Header.Values("Accept"), ","))
	w.Header().Set("Content-Type", enc.ContentType())
	w.Header().Add("Vary", "Accept")
	coding := chooseCoding(w, r)
	for page != nil {
		page = s.writeKept(w, enc, coding, page)
	}
}

// writeKept encodes the page while the ledger takes it, and sends it then. Where the ledger does not, it sends nothing and
// gives the page that is to be shown instead.
func (s *Server) writeKept(w http.ResponseWriter, enc exposition.Encoding, coding string, page *federator.Page) (other *federator.Page) {
	body := newWhole(w, func() bool {
		if page.Kept != nil {
			other = page.Kept()
		}
		return other == nil
	})
	out, end := compress(body, coding)
	if err := exposition.EncodeFilled(out, enc, page.Families); err != nil && other == nil {
		s.options.Logger.Debug("Merged page was not sent whole", "err", err) // the reader went away
	}
	end() // not deferred: half a page must not look whole because of a panic
	return other
}
