package web

import (
	"bytes"
	_ "embed"
	"html/template"
	"net/http"
	"net/url"
	"time"

	"github.com/prometheus/common/version"

	"github.com/fedscrape/fedscrape/federator"
)

//go:embed ui.html
var uiText string

var uiTemplate = template.Must(template.New("ui").Funcs(template.FuncMap{
	"ago": func(t *time.Time) string {
		if t == nil {
			return "never"
		}
		return time.Since(*t).Round(time.Second).String() + " ago"
	},
}).Parse(uiText))

// uiPage is what ui.html shows.
type uiPage struct {
	Version   string
	NotReady  string
	Instances []uiInstance
	Link      func(string) string
}

type uiInstance struct {
	federator.InstanceStatus
	Merged string
	Up     int
}

// page is the same as the API for people; it works without scripts.
func (s *Server) page(w http.ResponseWriter, _ *http.Request) {
	data := uiPage{Version: version.Version, Link: s.link}
	if _, err := s.options.Federator.Workers(""); err != nil {
		data.NotReady = err.Error()
	}
	for _, in := range s.options.Federator.Instances() {
		shown := uiInstance{InstanceStatus: in}
		shown.Merged = s.link("/merged") + "?" + url.Values{"job": {in.Job}, "instance": {in.Instance}}.Encode()
		for _, worker := range in.Workers {
			if worker.State == "up" {
				shown.Up++
			}
		}
		data.Instances = append(data.Instances, shown)
	}
	var out bytes.Buffer
	if err := uiTemplate.Execute(&out, data); err != nil {
		refuse(w, http.StatusInternalServerError, "%v", err)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
	h.Set("X-Content-Type-Options", "nosniff")
	_, _ = out.WriteTo(w)
}
