package registry

import (
	"encoding/json"
	"net/http"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	consulapi "github.com/hashicorp/consul/api"
)

// FuzzRegister holds the reader of registrations against Consul's own client: what that can encode, and what is valid by
// Consul's rules, is accepted and read back equal; everything else is refused with a status of 400 and more, or taken.
func FuzzRegister(f *testing.F) {
	for _, seed := range []string{
		`{"Name":"w","ID":"w-1","Port":80,"Address":"127.0.0.1","Tags":["a","b"],"Meta":{"k":"v"},"Check":{"TTL":"15s","Status":"passing"}}`,
		`{"Name":"w","TaggedAddresses":{"lan":{"Address":"10.0.0.1","Port":5}},"Weights":{"Passing":2,"Warning":0},"EnableTagOverride":true}`,
		`{"name":"w","check":{"http":"http://127.0.0.1:1/","interval":"1h","header":{"A":["b"]}},"checks":[{"tcp":"x","interval":"1h"}]}`,
		`{"Name":"é\u0000","Tags":[""],"SocketPath":"/run/x"}`, `{"Name":"w","Meta":{"a.b":"c"}}`, `[]`, `{`, `{"Name":"w","Foo":1}`,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, body string) {
		s := New(Options{})
		defer s.Close()
		got := call(t, s, http.MethodPut, "/v1/agent/service/register", body)
		if got.Code != http.StatusOK && (got.Code < 400 || got.Body.Len() == 0) {
			t.Errorf("%d %q", got.Code, got.Body)
		}
		var reg consulapi.AgentServiceRegistration
		if json.Unmarshal([]byte(body), &reg) != nil || !validFor(&reg) {
			return
		}
		encoded, err := json.Marshal(&reg)
		if err != nil {
			return
		}
		put(t, s, "/v1/agent/service/register", string(encoded))
		readBack(t, s, &reg)
	})
}

// validFor says, apart from the code under test, that Consul takes the registration; checks are left to the contract.
func validFor(reg *consulapi.AgentServiceRegistration) bool {
	reg.Check, reg.Checks, reg.Kind, reg.Proxy, reg.Connect, reg.Locality, reg.Ports = nil, nil, "", nil, nil, nil, nil
	reg.Namespace, reg.Partition, reg.Weights = "", "", nil
	if reg.Name == "" || len(reg.Meta) > 64 {
		return false
	}
	switch reg.Address {
	case "", "127.0.0.1", "10.1.2.3", "host":
	default:
		reg.Address = ""
	}
	for key, value := range reg.Meta {
		for _, c := range []byte(key) {
			if c != '_' && (c < '0' || c > '9') && (c < 'a' || c > 'z') {
				return false
			}
		}
		if key == "" || len(key) > 128 || len(value) > 512 {
			return false
		}
	}
	return true
}

func readBack(t *testing.T, s *Server, want *consulapi.AgentServiceRegistration) {
	t.Helper()
	if want.ID == "" {
		want.ID = want.Name
	}
	var all map[string]*consulapi.AgentService
	if err := json.Unmarshal(call(t, s, http.MethodGet, "/v1/agent/services", "").Body.Bytes(), &all); err != nil {
		t.Fatal(err)
	}
	got := all[want.ID]
	if got == nil {
		t.Fatalf("%q is not there: %v", want.ID, all)
	}
	back := &consulapi.AgentServiceRegistration{
		ID: got.ID, Name: got.Service, Tags: got.Tags, Port: got.Port, Address: got.Address, SocketPath: got.SocketPath, Meta: got.Meta,
		EnableTagOverride: got.EnableTagOverride, TaggedAddresses: got.TaggedAddresses,
	}
	for scope := range back.TaggedAddresses { // those that the registry derived
		if _, given := want.TaggedAddresses[scope]; !given && want.Address != "" {
			delete(back.TaggedAddresses, scope)
		}
	}
	if diff := cmp.Diff(want, back, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("registered (-) and read back (+):\n%s", diff)
	}
}
