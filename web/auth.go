package web

import (
	"net/http"
	"os"

	toolkit "github.com/prometheus/exporter-toolkit/web"
	"go.yaml.in/yaml/v2"
)

// authenticated tells whether the request has proved who it is. Who is not let in has had a 401 by now, but where the
// web configuration names no users everyone is let in, whatever the request says of itself.
func (s *Server) authenticated(r *http.Request) bool {
	_, _, told := r.BasicAuth()
	return told && s.hasUsers()
}

// hasUsers reads the file each time, as exporter-toolkit does: users may come and go while the server runs.
func (s *Server) hasUsers() bool {
	if s.options.ConfigFile == "" {
		return false
	}
	content, err := os.ReadFile(s.options.ConfigFile)
	if err != nil {
		return false
	}
	var c toolkit.Config
	return yaml.Unmarshal(content, &c) == nil && len(c.Users) > 0
}
