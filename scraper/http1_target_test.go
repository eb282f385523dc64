package scraper

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	promconfig "github.com/prometheus/common/config"
)

func TestWhatIsPlain(t *testing.T) {
	headers := func(name string, h promconfig.Header) *promconfig.Headers {
		return &promconfig.Headers{Headers: map[string]promconfig.Header{name: h}}
	}
	f := func(want bool, change func(*promconfig.HTTPClientConfig)) {
		t.Helper()
		c := newTestClient(t, func(o *Options) { change(&o.HTTPClient) })
		if got := c.plain != nil; got != want {
			t.Errorf("plain %v, want %v", got, want)
		}
	}
	f(true, func(*promconfig.HTTPClientConfig) {})
	f(true, func(c *promconfig.HTTPClientConfig) { c.EnableHTTP2 = false })
	f(true, func(c *promconfig.HTTPClientConfig) {
		c.HTTPHeaders = headers("X-Tenant", promconfig.Header{Values: []string{"a"}, Secrets: []promconfig.Secret{"b"}})
	})
	f(false, func(c *promconfig.HTTPClientConfig) {
		c.HTTPHeaders = headers("X-Tenant", promconfig.Header{Files: []string{"f"}})
	})
	f(false, func(c *promconfig.HTTPClientConfig) {
		c.HTTPHeaders = headers("X Tenant", promconfig.Header{Values: []string{"a"}})
	})
	f(false, func(c *promconfig.HTTPClientConfig) {
		c.HTTPHeaders = headers("X-Tenant", promconfig.Header{Values: []string{"a\r\nb: c"}})
	})
	f(false, func(c *promconfig.HTTPClientConfig) {
		c.HTTPHeaders = headers("X-Tenant", promconfig.Header{Secrets: []promconfig.Secret{"a\n"}})
	})
	f(false, func(c *promconfig.HTTPClientConfig) { c.FollowRedirects = true })
	f(false, func(c *promconfig.HTTPClientConfig) { c.BasicAuth = &promconfig.BasicAuth{Username: "u"} })
	f(false, func(c *promconfig.HTTPClientConfig) { c.Authorization = &promconfig.Authorization{Credentials: "t"} })
	f(false, func(c *promconfig.HTTPClientConfig) { c.BearerToken = "t" })
	f(false, func(c *promconfig.HTTPClientConfig) {
		c.OAuth2 = &promconfig.OAuth2{ClientID: "i", ClientSecret: "s", TokenURL: "http://127.0.0.1/"}
	})
	f(false, func(c *promconfig.HTTPClientConfig) { c.ProxyFromEnvironment = true })
	f(false, func(c *promconfig.HTTPClientConfig) { c.TLSConfig.InsecureSkipVerify = true })
}

func TestWhichTargetsArePlain(t *testing.T) {
	for url, want := range map[string]string{
		"http://127.0.0.1:9000/metrics": "127.0.0.1:9000",
		"http://worker/metrics?a=b":     "worker:80",
		"http://worker:/metrics":        "worker:80",
		"http://[::1]:9000":             "[::1]:9000",
		"http://[fe80::1%25eth0]/":      "[fe80::1%eth0]:80",
		"https://worker/metrics":        "",
		"http://u:p@worker/metrics":     "",
		"http://u@worker/metrics":       "",
		"http://wörker/metrics":         "",
		"http:worker":                   "",
		"http:///metrics":               "",
		"http://:80/metrics":            "",
		"://":                           "",
	} {
		if got, ok := plainAddress(url); got != want || ok != (want != "") {
			t.Errorf("%s: %q, %v; want %q", url, got, ok, want)
		}
	}
}

// TestPlainSendsWhatNetHTTPSends compares what both write, and where to.
func TestPlainSendsWhatNetHTTPSends(t *testing.T) {
	change := func(o *Options) {
		o.EnableCompression = true
		o.HTTPClient.HTTPHeaders = &promconfig.Headers{Headers: map[string]promconfig.Header{
			"X-Tenant": {Values: []string{"a ", "b"}, Secrets: []promconfig.Secret{"c"}}, "accept": {Values: []string{"x"}}, "a-b": {Values: []string{""}},
		}}
	}
	for _, change := range []func(*Options){nil, change} {
		for _, url := range []string{
			"http://127.0.0.1:9000/metrics", "http://worker", "http://worker:80/", "http://WORKER:/a%3Fb/%7e?x=%20&y=ä z#frag", "http://[::1]:9000/metrics?",
			"http://[fe80::1%25eth0]:9000/m", "http://a_b!$&'()*+,;=/m", "http://worker:9000/a b/ä",
		} {
			net, plain := sent(t, newNetHTTPClient(t, change), url), sent(t, newPlainClient(t, change), url)
			if net != plain || !strings.HasSuffix(plain, "\r\n\r\n") {
				t.Errorf("%s: net/http sends\n%s\nplain\n%s", url, net, plain)
			}
		}
	}
}

// sent gives the address that was dialed and the second request on the connection.
func sent(t *testing.T, c *Client, url string) string {
	t.Helper()
	var text strings.Builder
	p := &pipes{talk: func(conn net.Conn) {
		for r := bufio.NewReader(conn); ; {
			question, err := readQuestion(r)
			if err != nil {
				return
			}
			text.WriteString(question)
			_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
		}
	}}
	dial := func(ctx context.Context, network, address string) (net.Conn, error) {
		text.WriteString(network + " " + address + "\n")
		return p.dial(ctx, network, address)
	}
	if c.plain != nil {
		c.plain.dial = dial
	} else {
		var err error
		if c.http, err = promconfig.NewClientFromConfig(c.options.HTTPClient, "fedscrape",
			promconfig.WithDialContextFunc(dial), promconfig.WithUserAgent(userAgent())); err != nil {
			t.Fatal(err)
		}
	}
	for _, timeout := range []time.Duration{0, 1500 * time.Millisecond, 1500 * time.Millisecond, 0} {
		if _, _, err := get(c, url, timeout); err != nil {
			t.Errorf("%s: %v", url, err)
		}
	}
	c.Close()
	p.group.Wait()
	return text.String()
}

func TestAreFixedKnowsTokens(t *testing.T) {
	if isToken(nil) || isToken([]byte("a b")) || isToken([]byte("ä")) || !isToken([]byte("X-a_1!")) {
		t.Error("not HTTP's tokens")
	}
	if !bytes.Equal(trimSpace([]byte(" \t a b\t")), []byte("a b")) {
		t.Error("trimSpace")
	}
}
