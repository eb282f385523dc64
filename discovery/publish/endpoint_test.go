package publish

import (
	"net"
	"net/url"
	"strings"
	"testing"
)

func TestNewEndpoint(t *testing.T) {
	f := func(external, listening string, want Endpoint) {
		t.Helper()
		var u *url.URL
		if external != "" {
			var err error
			if u, err = url.Parse(external); err != nil {
				t.Fatal(err)
			}
		}
		var addrs []net.Addr
		for text := range strings.FieldsSeq(listening) {
			addr, err := net.ResolveTCPAddr("tcp", text)
			if err != nil {
				t.Fatal(err)
			}
			addrs = append(addrs, addr)
		}
		if got := NewEndpoint("web1", u, "http", addrs); got != want {
			t.Errorf("%s, %s: got %+v, want %+v", external, listening, got, want)
		}
	}
	f("", "[::]:9390", Endpoint{"http", "", 9390, "/merged", "web1-9390"})
	f("", "0.0.0.0:9390", Endpoint{"http", "", 9390, "/merged", "web1-9390"})
	f("", "10.0.0.5:9390", Endpoint{"http", "10.0.0.5", 9390, "/merged", "web1-10.0.0.5-9390"})
	f("", "127.0.0.1:9390", Endpoint{"http", "127.0.0.1", 9390, "/merged", "web1-127.0.0.1-9390"})
	f("", "[2001:db8::1]:9390", Endpoint{"http", "2001:db8::1", 9390, "/merged", "web1-2001:db8::1-9390"})
	f("", "127.0.0.1:1 10.0.0.5:2", Endpoint{"http", "10.0.0.5", 2, "/merged", "web1-10.0.0.5-2"})
	f("", "127.0.0.1:1 10.0.0.5:2 [::]:3 0.0.0.0:4", Endpoint{"http", "", 3, "/merged", "web1-3"})
	// An external URL may be that of several federators; the name stays their own.
	f("https://metrics.example", "[::]:9390", Endpoint{"https", "metrics.example", 443, "/merged", "web1-9390"})
	f("http://metrics.example/", "[::]:9390", Endpoint{"http", "metrics.example", 80, "/merged", "web1-9390"})
	f("http://[2001:db8::1]:81/fed/", "10.0.0.5:9390", Endpoint{"http", "2001:db8::1", 81, "/fed/merged", "web1-10.0.0.5-9390"})
}

func TestAddress(t *testing.T) {
	f := func(host, server, want string) {
		t.Helper()
		e := Endpoint{Host: host}
		got, err := e.address(t.Context(), server)
		if err != nil || got != want {
			t.Errorf("host %q, server %q: got %q, want %q, %v", host, server, got, want, err)
		}
	}
	f("", "127.0.0.1:8500", "") // the node's
	f("", "localhost:8500", "")
	f("", "127.0.0.2:8500", "")
	f("", "http://127.0.0.1:8500/", "")
	f("", "https://127.0.0.1", "")
	f("10.0.0.5", "127.0.0.1:8500", "10.0.0.5")
	f("127.0.0.1", "127.0.0.1:8500", "127.0.0.1")
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range addrs {
		ip := a.(*net.IPNet).IP
		if ip.To4() != nil && !ip.IsLoopback() {
			f("", ip.String()+":8500", ip.String()) // the agent is known by an address that others reach too
		}
	}
	bad := Endpoint{}
	if _, err := bad.address(t.Context(), "bad host:8500"); err == nil || !strings.HasPrefix(err.Error(), "find the route to consul at bad host:8500: ") {
		t.Error(err)
	}
}

func TestIsLoopback(t *testing.T) {
	for host, want := range map[string]bool{"": false, "localhost": true, "127.0.0.9": true, "::1": true, "10.0.0.5": false, "web1": false} {
		if isLoopback(host) != want {
			t.Errorf("%q: %v", host, !want)
		}
	}
}
