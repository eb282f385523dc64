package web

import (
	"io"
	"net/http"
)

func (s *Server) ready(w http.ResponseWriter, _ *http.Request) {
	if err := s.options.Federator.Ready(); err != nil {
		refuse(w, http.StatusServiceUnavailable, "fedscrape is not ready: %v", err)
		return
	}
	_, _ = io.WriteString(w, "fedscrape is ready.\n")
}

func (s *Server) reload(w http.ResponseWriter, _ *http.Request) {
	if !s.options.EnableLifecycle {
		refuse(w, http.StatusForbidden, "Lifecycle API is not enabled.")
		return
	}
	if err := s.options.Reload(); err != nil {
		refuse(w, http.StatusInternalServerError, "%v", err)
	}
}
