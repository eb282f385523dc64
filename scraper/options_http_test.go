package scraper

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	promconfig "github.com/prometheus/common/config"
)

func TestFetchThroughAProxy(t *testing.T) {
	proxy := serve(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = fmt.Fprint(w, r.URL.String(), " ", r.Header.Get("Authorization"))
	})
	address, err := url.Parse(proxy)
	if err != nil {
		t.Fatal(err)
	}
	c := newTestClient(t, func(o *Options) {
		o.HTTPClient.ProxyURL = promconfig.URL{URL: address}
		o.HTTPClient.BasicAuth = &promconfig.BasicAuth{Username: "u", Password: "p"}
	})
	page, _, err := get(c, "http://192.0.2.1:1/metrics?a=b", 0)
	if want := "http://192.0.2.1:1/metrics?a=b Basic dTpw"; err != nil || page != want {
		t.Errorf("the proxy was asked for %q, want %q, error %v", page, want, err)
	}
}

// TestFetchDoesNotFollowRedirects: a worker that sends the federator elsewhere is no worker.
func TestFetchDoesNotFollowRedirects(t *testing.T) { overClients(t, testFetchDoesNotFollowRedirects) }

func testFetchDoesNotFollowRedirects(t *testing.T, newClient maker) {
	u := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/elsewhere" {
			t.Error("it was followed")
		}
		http.Redirect(w, r, "/elsewhere", http.StatusFound)
	})
	if _, _, err := get(newClient(t, nil), u, 0); err == nil {
		t.Error("no error")
	}
}

// certificate makes one for 127.0.0.1 that is its own authority.
func certificate(t *testing.T) (certPEM, keyPEM []byte) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage:    x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: secret})
}

// TestFetchReadsTLSFilesAgain replaces the authority, and the client's own certificate, under a client that runs on.
func TestFetchReadsTLSFilesAgain(t *testing.T) {
	dir := t.TempDir()
	var current atomic.Pointer[tls.Certificate]
	replace := func() (cert []byte) {
		t.Helper()
		cert, key := certificate(t)
		pair, err := tls.X509KeyPair(cert, key)
		if err != nil {
			t.Fatal(err)
		}
		for name, content := range map[string][]byte{"ca.pem": cert, "cert.pem": cert, "key.pem": key} {
			if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		current.Store(&pair)
		block, _ := pem.Decode(cert)
		return block.Bytes
	}
	var client atomic.Value // the certificate that the last request came with
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		client.Store(r.TLS.PeerCertificates[0].Raw)
	}))
	s.TLS = &tls.Config{
		ClientAuth:     tls.RequireAnyClientCert,
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return current.Load(), nil },
	}
	first := replace()
	s.StartTLS()
	t.Cleanup(s.Close)
	s.TLS.Certificates = nil // httptest's own, which would be preferred
	c := newTestClient(t, func(o *Options) {
		o.HTTPClient.TLSConfig = promconfig.TLSConfig{CAFile: "ca.pem", CertFile: "cert.pem", KeyFile: "key.pem"}
		o.SetDirectory(dir)
	})
	ask := func(want []byte) {
		t.Helper()
		if _, _, err := get(c, s.URL, 0); err != nil {
			t.Fatal(err)
		}
		if got, _ := client.Load().([]byte); string(got) != string(want) {
			t.Error("the client came with another certificate than that of the files")
		}
	}
	ask(first)
	second := replace()
	s.CloseClientConnections()
	ask(second)
}
