package scraper

import (
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"

	promconfig "github.com/prometheus/common/config"
)

func TestFetchAuthenticates(t *testing.T) {
	u := serve(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = fmt.Fprint(w, r.Header.Get("Authorization"), r.Header.Get("X-Tenant"))
	})
	for _, tt := range []struct {
		name, want string
		change     func(*promconfig.HTTPClientConfig)
	}{
		{"basic_auth", "Basic dTpw", func(c *promconfig.HTTPClientConfig) {
			c.BasicAuth = &promconfig.BasicAuth{Username: "u", Password: "p"}
		}},
		{"authorization", "Bearer t", func(c *promconfig.HTTPClientConfig) {
			c.Authorization = &promconfig.Authorization{Credentials: "t"}
		}},
		{"bearer_token", "Bearer t", func(c *promconfig.HTTPClientConfig) { c.BearerToken = "t" }},
		{"http_headers", "a", func(c *promconfig.HTTPClientConfig) {
			c.HTTPHeaders = &promconfig.Headers{Headers: map[string]promconfig.Header{"X-Tenant": {Values: []string{"a"}}}}
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			page, _, err := get(newTestClient(t, func(o *Options) { tt.change(&o.HTTPClient) }), u, 0)
			if err != nil || page != tt.want {
				t.Errorf("sent %q, want %q, error %v", page, tt.want, err)
			}
		})
	}
}

func TestFetchOAuth2(t *testing.T) {
	u := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/token" {
			w.Header().Set("Content-Type", "application/json")
			_, _ = fmt.Fprint(w, `{"access_token":"abc","token_type":"Bearer"}`)
			return
		}
		_, _ = fmt.Fprint(w, r.Header.Get("Authorization"))
	})
	c := newTestClient(t, func(o *Options) {
		o.HTTPClient.OAuth2 = &promconfig.OAuth2{ClientID: "id", ClientSecret: "secret", TokenURL: u + "/token"}
	})
	page, _, err := get(c, u, 0)
	if err != nil || page != "Bearer abc" {
		t.Errorf("sent %q, error %v", page, err)
	}
}

func TestFetchTLS(t *testing.T) {
	for _, http2 := range []bool{false, true} {
		s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, _ = fmt.Fprint(w, r.Proto)
			w.(http.Flusher).Flush() // no Content-Length
		}))
		s.EnableHTTP2 = http2
		s.StartTLS()
		defer s.Close()
		dir := t.TempDir()
		ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})
		if err := os.WriteFile(filepath.Join(dir, "ca.pem"), ca, 0o600); err != nil {
			t.Fatal(err)
		}
		c := newTestClient(t, func(o *Options) {
			o.HTTPClient.TLSConfig.CAFile = "ca.pem"
			o.SetDirectory(dir)
		})
		page, r, err := get(c, s.URL, 0)
		if want := map[bool]string{false: "HTTP/1.1", true: "HTTP/2.0"}[http2]; err != nil || page != want || !r.LengthTold {
			t.Errorf("page %q, want %q, length told %v, error %v", page, want, r.LengthTold, err)
		}
	}
}

func TestFetchTLSUnknownAuthority(t *testing.T) {
	s := httptest.NewUnstartedServer(nil)
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.StartTLS()
	defer s.Close()
	_, _, err := get(newTestClient(t, nil), s.URL, 0)
	f(t, err, ResultRefused, "tls: failed to verify certificate: x509: certificate signed by unknown authority")
}

func TestNewClientNamesAMissingFile(t *testing.T) {
	o := NewOptions()
	o.HTTPClient.TLSConfig.CAFile = "/does/not/exist"
	if _, err := NewClient(o); err == nil {
		t.Error("no error")
	}
}
