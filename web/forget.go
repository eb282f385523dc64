package web

import (
	"net/http"
)

// apiForget forgets an instance's ledger. Another site's page cannot ask for it: a browser asks first whether it may
// (nobody here says yes), and a server that is only for its own says no to who comes from elsewhere.
func (s *Server) apiForget(w http.ResponseWriter, r *http.Request) {
	job, instance := r.URL.Query().Get("job"), r.URL.Query().Get("instance")
	if missing := missingParams(job, instance); missing != "" {
		badData(w, "%s missing: want DELETE %s?job=JOB&instance=INSTANCE", missing, instancesPath)
		return
	}
	user, _, _ := r.BasicAuth()
	if err := s.options.Federator.Forget(job, instance); err != nil {
		s.options.Logger.Warn("Ledger is not forgotten", "job", job, "instance", instance, "remote", r.RemoteAddr, "user", user, "err", err)
		s.apiError(w, err)
		return
	}
	s.options.Logger.Warn("Ledger of an instance is forgotten on request", "job", job, "instance", instance, "remote", r.RemoteAddr, "user", user)
	writeJSON(w, http.StatusOK, envelope{Status: "success"})
}
