package publish

import (
	"fmt"
	"strings"
	"testing"
	"time"

	consulapi "github.com/hashicorp/consul/api"

	"github.com/fedscrape/fedscrape/discovery"
)

func TestPlan(t *testing.T) {
	now := time.Unix(1000, 0)
	interval := 5 * time.Second
	reg := func(id string, port int) *consulapi.AgentServiceRegistration {
		return &consulapi.AgentServiceRegistration{ID: id, Port: port}
	}
	// Entries are "a:1@3": service a, registered with port 1 (0: not known with what), beaten 3 s ago.
	f := func(entries, wanted string, whole bool, want string) {
		t.Helper()
		have := map[string]*entry{}
		for text := range strings.FieldsSeq(entries) {
			var id string
			var port, ago int
			text = strings.NewReplacer(":", " ", "@", " ").Replace(text)
			if _, err := fmt.Sscan(text, &id, &port, &ago); err != nil {
				t.Fatal(err)
			}
			have[id] = &entry{beat: now.Add(-time.Duration(ago) * time.Second)}
			if port != 0 {
				have[id].registered = reg(id, port)
			}
		}
		should := map[string]*consulapi.AgentServiceRegistration{}
		for id := range strings.FieldsSeq(wanted) {
			should[id] = reg(id, 1)
		}
		var got []string
		for _, a := range plan(have, should, whole, now, interval) {
			got = append(got, []string{"register", "heartbeat", "deregister"}[a.step]+" "+a.id)
			if a.step == register && a.registration == nil {
				t.Errorf("%s: nothing to register", a.id)
			}
		}
		if strings.Join(got, ", ") != want {
			t.Errorf("entries %q, wanted %q, whole %v: got %q, want %q", entries, wanted, whole, strings.Join(got, ", "), want)
		}
	}
	f("", "", true, "")
	f("", "b a", true, "register a, register b")
	f("", "a", false, "register a")
	f("a:1@4", "a", true, "")
	f("a:1@5", "a", true, "heartbeat a")
	f("a:2@0", "a", true, "register a") // its address changed
	f("a:0@0", "a", true, "register a") // left by an earlier run, or cut off
	f("a:1@4 b:1@4", "a", true, "deregister b")
	f("a:1@4 b:1@4", "a", false, "") // may only not be known yet
	f("a:1@5 b:1@5", "a", false, "heartbeat a, heartbeat b")
	f("b:0@9", "", false, "heartbeat b") // a leftover is kept alive
	f("b:0@9", "", true, "deregister b")
	f("c:1@9 d:1@0", "a c", true, "register a, heartbeat c, deregister d")
}

func TestServiceIDs(t *testing.T) {
	prefix := idPrefix("fedscrape", "web1-9390")
	a := serviceID(prefix, discovery.InstanceID{Job: "webapp", Instance: "web1:8000"})
	if a != "fedscrape-web1-9390-60b5a9ae1f0b6bd1" && len(a) != len("fedscrape-web1-9390-")+hashLength {
		t.Errorf("got %s", a)
	}
	seen := map[string]string{}
	for _, id := range []discovery.InstanceID{{Job: "a", Instance: "bc"}, {Job: "ab", Instance: "c"}, {Job: "a", Instance: "b/c"}, {Job: "a", Instance: "../b"}, {Job: "a", Instance: "ü ?#%"}} {
		got := serviceID(prefix, id)
		if other, twice := seen[got]; twice || !ownID(prefix, got) || unsafe.MatchString(got) || got != serviceID(prefix, id) {
			t.Errorf("%v: %s, as %s", id, got, other)
		}
		seen[got] = id.Job + "/" + id.Instance
	}
	for _, foreign := range []string{
		"", "fedscrape-web1-9390-", "webapp-web1-17-0011aabb", a + "0", "fedscrape-web2-9390-" + a[len(prefix):],
		// A federator on a host that is called web1-9390, and one whose port begins with ours.
		serviceID(idPrefix("fedscrape", "web1-9390-9391"), discovery.InstanceID{Job: "a"}),
		serviceID(idPrefix("fedscrape", "web1-93901"), discovery.InstanceID{Job: "a"}),
	} {
		if ownID(prefix, foreign) {
			t.Errorf("%q is taken for our own", foreign)
		}
	}
	if got := idPrefix("fedscrape", "web1-fe80::1%eth0-9390"); got != "fedscrape-web1-fe80__1_eth0-9390-" {
		t.Error(got)
	}
}

func TestSayable(t *testing.T) {
	f := func(job, instance, want string) {
		t.Helper()
		if got := errText(sayable(discovery.InstanceID{Job: job, Instance: instance})); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	f("webapp", "web1:8000", "")
	f(strings.Repeat("x", 512), strings.Repeat("ü", 256), "")
	f(strings.Repeat("x", 513), "a", "its job has 513 bytes, Consul's limit is 512: shorten it by relabel_configs")
	f("a", strings.Repeat("ü", 257), "its instance has 514 bytes, Consul's limit is 512: shorten it by relabel_configs")
	f("a", "b\xff", "its instance is not valid UTF-8: change it by relabel_configs")
}
