package web

import (
	"bytes"
	_ "embed"
	"html/template"
	"net/http"
	"net/url"
	"time"

	"github.com/prometheus/common/version"

	"github.com/fedscrape/fedscrape/exposition"
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
	"number": func(n federator.Number) string { return string(exposition.AppendFloat(nil, float64(n))) },
}).Parse(uiText))

// uiPage is what ui.html shows.
type uiPage struct {
	Version   string
	NotReady  string
	Instances []uiInstance
	Explained *uiExplained
	Home      string // where the forms go
	Link      func(string) string
}

// uiExplained is the answer where a metric was asked for.
type uiExplained struct {
	Job, Instance, Metric string
	API                   string
	Error                 string
	*federator.Explanation
}

// uiExplainLimit is what a person may want to read; the API gives more.
const uiExplainLimit = 100

type uiInstance struct {
	federator.InstanceStatus
	Merged string
	Up     int
}

// page is the same as the API for people; it works without scripts.
func (s *Server) page(w http.ResponseWriter, r *http.Request) {
	data := uiPage{Version: version.Version, Home: s.prefix + "/", Link: s.link, Explained: s.explained(r.URL.Query())}
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
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'")
	h.Set("X-Content-Type-Options", "nosniff")
	_, _ = out.WriteTo(w)
}

// explained asks for the metric that the form names; nil where it names none.
func (s *Server) explained(q url.Values) *uiExplained {
	e := &uiExplained{Job: q.Get("job"), Instance: q.Get("instance"), Metric: q.Get("metric")}
	if e.Metric == "" {
		return nil
	}
	e.API = s.link(explainPath) + "?" + url.Values{"job": {e.Job}, "instance": {e.Instance}, "metric": {e.Metric}}.Encode()
	var err error
	if e.Explanation, err = s.options.Federator.Explain(e.Job, e.Instance, e.Metric, uiExplainLimit); err != nil {
		e.Error = s.explainError(err)
	}
	return e
}
