package registry

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// call is one request to the handler, without a network, so that it can be in a bubble of synctest.
func call(t *testing.T, s *Server, method, path, body string) *httptest.ResponseRecorder {
	t.Helper()
	return callContext(t.Context(), s, method, path, body)
}

func callContext(ctx context.Context, s *Server, method, path, body string) *httptest.ResponseRecorder {
	recorder := httptest.NewRecorder()
	s.Handler().ServeHTTP(recorder, httptest.NewRequestWithContext(ctx, method, path, strings.NewReader(body)))
	return recorder
}

func put(t *testing.T, s *Server, path, body string) {
	t.Helper()
	if got := call(t, s, http.MethodPut, path, body); got.Code != http.StatusOK {
		t.Fatalf("%s: %d %s", path, got.Code, got.Body)
	}
}

// statusOf is the status of the first service's own check; empty where there is no service.
func statusOf(t *testing.T, s *Server, name string) string {
	t.Helper()
	var entries []entryJSON
	body := call(t, s, http.MethodGet, "/v1/health/service/"+name, "").Body
	if err := json.Unmarshal(body.Bytes(), &entries); err != nil {
		t.Fatal(err)
	}
	if len(entries) == 0 {
		return ""
	}
	return entries[0].Checks[1].Status
}

// advance lets time pass in a bubble, and what is due happen.
func advance(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func TestTTLToTheMillisecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := New(Options{})
		defer s.Close()
		put(t, s, "/v1/agent/service/register", `{"Name":"w","Check":{"TTL":"15s","Status":"passing"}}`)
		for range 3 {
			advance(14999 * time.Millisecond)
			if got := statusOf(t, s, "w"); got != passing {
				t.Fatalf("%s before the TTL's end", got)
			}
			put(t, s, "/v1/agent/check/pass/service:w", "")
		}
		advance(15 * time.Second)
		if got := statusOf(t, s, "w"); got != critical {
			t.Fatalf("%s after the TTL's end", got)
		}
	})
}

func TestManyTTLsEndInTheirOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := New(Options{})
		defer s.Close()
		const workers = 200
		seconds := func(i int) int { return 1 + i*37%workers } // all different, not in order
		for i := range workers {
			put(t, s, "/v1/agent/service/register", fmt.Sprintf(`{"Name":"w%d","Check":{"TTL":"%ds","Status":"passing"}}`, i, seconds(i)))
		}
		put(t, s, "/v1/agent/service/deregister/w0", "") // 1s: the first of all goes
		advance(time.Second + workers/2*time.Second)
		for i := 1; i < workers; i++ {
			want := passing
			if seconds(i) <= workers/2+1 {
				want = critical
			}
			if got := statusOf(t, s, "w"+strconv.Itoa(i)); got != want {
				t.Errorf("TTL of %ds: %s, want %s", seconds(i), got, want)
			}
		}
	})
}

func TestReaperHasConsulsTimes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := New(Options{})
		defer s.Close()
		put(t, s, "/v1/agent/service/register", `{"Name":"w","Check":{"TTL":"10s","DeregisterCriticalServiceAfter":"1s"}}`)
		advance(65 * time.Second) // critical for 55s, the reaper has looked at 30s and 60s
		if got := statusOf(t, s, "w"); got != critical {
			t.Fatalf("%q: removed below the floor of one minute", got)
		}
		advance(20 * time.Second) // 75s, but the reaper looks at 90s
		if got := statusOf(t, s, "w"); got != critical {
			t.Fatalf("%q: removed between two looks", got)
		}
		advance(10 * time.Second)
		if got := statusOf(t, s, "w"); got != "" {
			t.Fatalf("%s after 95s", got)
		}
	})
}

func TestReturnStopsTheReaper(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := New(Options{})
		defer s.Close()
		put(t, s, "/v1/agent/service/register", `{"Name":"w","Check":{"TTL":"50s","Status":"passing","DeregisterCriticalServiceAfter":"1m"}}`)
		for range 4 { // critical for 40s of each 90s: never a whole minute
			advance(90 * time.Second)
			put(t, s, "/v1/agent/check/pass/service:w", "")
		}
		if got := statusOf(t, s, "w"); got != passing {
			t.Fatalf("%q", got)
		}
	})
}

func TestWaitHasConsulsBounds(t *testing.T) {
	f := func(wait string, want time.Duration) {
		t.Helper()
		synctest.Test(t, func(t *testing.T) {
			s := New(Options{})
			defer s.Close()
			index := call(t, s, http.MethodGet, "/v1/health/service/w", "").Header().Get("X-Consul-Index")
			start := time.Now()
			call(t, s, http.MethodGet, "/v1/health/service/w?index="+index+wait, "")
			if took := time.Since(start); took < want || took > want+want/16 {
				t.Errorf("%q blocked for %v, want %v and up to a sixteenth", wait, took, want)
			}
		})
	}
	f("", 5*time.Minute)
	f("&wait=0s", 5*time.Minute)
	f("&wait=-5s", 5*time.Minute)
	f("&wait=60s", time.Minute)
	f("&wait=11m", 10*time.Minute)
}

func TestCloseReleasesBlockedQueries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := New(Options{})
		start := time.Now()
		var blocked sync.WaitGroup
		for _, path := range []string{"health/service/w", "catalog/services", "health/node/x", "catalog/node/nope"} {
			blocked.Go(func() {
				if got := callContext(t.Context(), s, http.MethodGet, "/v1/"+path+"?index=1000", ""); got.Code != http.StatusOK {
					t.Errorf("%s: %d", path, got.Code)
				}
			})
		}
		synctest.Wait()
		s.Close()
		blocked.Wait()
		if took := time.Since(start); took > 0 {
			t.Errorf("released after %v", took)
		}
		s.Close() // a second time is harmless
		if got := call(t, s, http.MethodGet, "/v1/agent/services", ""); got.Code != http.StatusServiceUnavailable {
			t.Errorf("closed, and answers %d", got.Code)
		}
	})
}

func TestClientThatGoesLeavesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := New(Options{})
		defer s.Close()
		ctx, cancel := context.WithCancel(t.Context())
		var blocked sync.WaitGroup
		for i := range 100 {
			blocked.Go(func() {
				callContext(ctx, s, http.MethodGet, fmt.Sprintf("/v1/health/service/name-%d?index=1000", i), "")
			})
		}
		synctest.Wait()
		cancel()
		blocked.Wait()
		if n := len(s.state.topics); n != 0 {
			t.Errorf("%d topics stay", n)
		}
	})
}

func TestSizesAreBounded(t *testing.T) {
	s := New(Options{MaxServices: 3, MaxBytes: 4000})
	defer s.Close()
	f := func(body string, status int, text string) {
		t.Helper()
		got := call(t, s, http.MethodPut, "/v1/agent/service/register", body)
		if got.Code != status || !strings.Contains(got.Body.String(), text) {
			t.Errorf("%.60s: %d %q, want %d %q", body, got.Code, got.Body, status, text)
		}
	}
	tag := func(name string, size int) string {
		return `{"Name":"` + name + `","Tags":["` + strings.Repeat("a", size) + `"]}`
	}
	f(tag("huge", maxBody), 413, "max size: 1048576")
	f(`{"Name":"a","Checks":[`+strings.Repeat(`{"TTL":"5s"},`, 8)+`{"TTL":"5s"}]}`, 400, "the limit is 8")
	f(tag("a", 3000), 200, "")
	f(tag("b", 3000), 429, "registry full: registrations of")
	f(tag("b", 10), 200, "")
	f(tag("c", 10), 200, "")
	f(tag("d", 10), 429, "registry full: 3 services, the limit is 3")
	f(tag("a", 3000), 200, "") // what is there can always come again
	f(tag("a", 3990), 429, "registry full")
	put(t, s, "/v1/agent/service/deregister/a", "")
	f(tag("d", 3000), 200, "")
	if got := call(t, s, http.MethodPut, "/v1/agent/check/update/x", `{"Output":"`+strings.Repeat("a", maxBody)+`"}`); got.Code != 413 {
		t.Errorf("update: %d", got.Code)
	}
	for i := range 2 * maxChecksPerService {
		got := call(t, s, http.MethodPut, "/v1/agent/service/register", fmt.Sprintf(`{"Name":"b","Check":{"TTL":"5s","CheckID":"c%d"}}`, i))
		if want := i < maxChecksPerService; want != (got.Code == 200) {
			t.Errorf("check %d: %d %s", i, got.Code, got.Body)
		}
	}
}

func TestMemoryIsGivenBack(t *testing.T) {
	s := New(Options{})
	defer s.Close()
	for i := range 500 {
		id := strconv.Itoa(i)
		put(t, s, "/v1/agent/service/register", `{"Name":"n`+id+`","ID":"`+id+`","Check":{"TTL":"24h","Status":"passing"}}`)
		put(t, s, "/v1/agent/service/register?replace-existing-checks", `{"Name":"m`+id+`","ID":"`+id+`","Checks":[{"TTL":"24h","CheckID":"c`+id+`"}]}`)
		put(t, s, "/v1/agent/service/deregister/"+id, "")
	}
	st := s.state
	if n := len(st.services) + len(st.groups) + len(st.checks) + len(st.clock.checks) + len(st.topics); n != 0 || st.bytes != 0 {
		t.Errorf("%d things and %d bytes stay", n, st.bytes)
	}
}

func TestWhatItCannotDoIsRefused(t *testing.T) {
	s := New(Options{})
	defer s.Close()
	f := func(fields, text string) {
		t.Helper()
		got := call(t, s, http.MethodPut, "/v1/agent/service/register", `{"Name":"w",`+fields+`}`)
		if got.Code != http.StatusBadRequest || !strings.Contains(got.Body.String(), text) {
			t.Errorf("%s: %d %q", fields, got.Code, got.Body)
		}
	}
	f(`"Check":{"CheckID":"serfHealth","TTL":"5s"}`, "CheckID serfHealth is the node's own")
	f(`"Check":{"AliasNode":"n"}`, "AliasNode checks do not exist in fedscrape's registry: use TTL, HTTP or TCP")
	f(`"Check":{"AliasService":"s"}`, "AliasService checks do not exist")
	f(`"Check":{"GRPC":"127.0.0.1:1","Interval":"5s"}`, "GRPC checks do not exist")
	f(`"Kind":"connect-proxy"`, "Kind is not supported")
	f(`"Connect":{"Native":true}`, "Connect is not supported")
	f(`"Ports":[{"Name":"a"}]`, "Ports is not supported")
	put(t, s, "/v1/agent/service/register", `{"Name":"w","Kind":"","Connect":{},"Proxy":null,"Ports":[]}`)
}

func TestRaces(t *testing.T) {
	t.Parallel()
	s := New(Options{ReapFloor: time.Millisecond, ReapInterval: time.Millisecond})
	var clients sync.WaitGroup
	for i := range 8 {
		clients.Go(func() {
			id := strconv.Itoa(i % 4)
			for j := range 100 {
				call(t, s, http.MethodPut, "/v1/agent/service/register", `{"Name":"w","ID":"`+id+`","Port":`+strconv.Itoa(j)+
					`,"Check":{"TTL":"1ms","DeregisterCriticalServiceAfter":"1ms"}}`)
				call(t, s, http.MethodPut, "/v1/agent/check/pass/service:"+id, "")
				for _, path := range []string{"health/service/w", "catalog/service/w", "agent/services", "agent/checks", "health/node/" + s.opts.Node} {
					call(t, s, http.MethodGet, "/v1/"+path+"?wait=1ms&index=1000000", "")
				}
				call(t, s, http.MethodPut, "/v1/agent/service/deregister/"+id, "")
			}
		})
	}
	clients.Wait()
	s.Close()
}
