package discovery

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fedscrape/fedscrape/internal/realbin"
)

const readAll = `service_prefix "" { policy = "read" } node_prefix "" { policy = "read" } agent_prefix "" { policy = "read" }`

// denying is a real Consul that denies by default, seen with a token that may do everything.
func denying(t *testing.T) agent {
	t.Helper()
	const root = "4b8e2f5c-0000-4000-8000-000000000001"
	return agent{token: root, addr: realbin.StartConsul(t, realbin.ConsulOptions{
		Node: "web1",
		HCL: `acl { enabled = true default_policy = "deny" tokens { initial_management = "` + root + `" default = "` + root +
			`" } }`,
	})}
}

// reader makes a token with these rights, and gives the IDs of it and of its policy.
func (a agent) reader(t *testing.T, name, rules string) (reader agent, accessor, policy string) {
	t.Helper()
	var made struct{ ID, SecretID, AccessorID string }
	decode := func(text string) {
		if err := json.Unmarshal([]byte(text), &made); err != nil {
			t.Fatal(err)
		}
	}
	decode(a.put(t, "/v1/acl/policy", object{"Name": name, "Rules": rules}))
	policy = made.ID
	decode(a.put(t, "/v1/acl/token", object{"Policies": []object{{"Name": name}}}))
	return agent{addr: a.addr, token: made.SecretID}, made.AccessorID, policy
}

// A token that loses its rights while it watches, or is deleted, or never had any: an error, and the last known workers
// stay. What Consul answers to it is an empty list, at times without the header that says so.
func TestScenario15RealConsulTokenLost(t *testing.T) {
	for _, mode := range []string{"", ", local: true"} {
		t.Run("rights taken"+mode, func(t *testing.T) {
			a := denying(t)
			a.register(t, "w0", 40001)
			reader, _, policy := a.reader(t, "reader", readAll)
			r := start(t, job(t, "webapp", reader.sd(", services: [webapp]"+mode)))
			r.await(t, "the worker", workers(1))
			a.put(t, "/v1/acl/policy/"+policy, object{"ID": policy, "Name": "reader", "Rules": `key_prefix "" { policy = "read" }`})
			a.register(t, "w1", 40002)
			r.keepsOne(t)
		})
		t.Run("token deleted"+mode, func(t *testing.T) {
			a := denying(t)
			a.register(t, "w0", 40001)
			reader, accessor, _ := a.reader(t, "reader", readAll)
			r := start(t, job(t, "webapp", reader.sd(", services: [webapp]"+mode)))
			r.await(t, "the worker", workers(1))
			a.send(t, http.MethodDelete, "/v1/acl/token/"+accessor, nil)
			a.register(t, "w1", 40002)
			r.keepsOne(t)
		})
	}
	t.Run("no rights", func(t *testing.T) {
		a := denying(t)
		a.register(t, "w0", 40001)
		reader, _, _ := a.reader(t, "reader", `key_prefix "" { policy = "read" }`)
		r := start(t, job(t, "webapp", reader.sd(", services: [webapp]")))
		if got := r.await(t, "the error", failing); got.Answered {
			t.Errorf("an empty answer to a stranger counts: %+v", got)
		}
	})
}

// keepsOne awaits an error, and fails if the one worker is not there before and with it.
func (r *running) keepsOne(t *testing.T) {
	t.Helper()
	r.await(t, "the error", func(u Update) bool {
		if len(u.Workers) == 0 {
			t.Fatalf("the list is empty: %+v", u)
		}
		return u.Err != nil
	})
}

// Consul without a leader answers 500 to what is not stale.
func TestScenario15NoLeader(t *testing.T) {
	for _, mode := range []string{"", ", local: true"} {
		consul := newFakeConsul(t)
		consul.register("webapp", "web1", "10.0.0.5", 40001)
		r := start(t, job(t, "webapp", consul.sd(", services: [webapp]"+mode)))
		r.await(t, "the worker", workers(1))
		consul.spoilWith(func(w http.ResponseWriter, _ *http.Request) bool {
			http.Error(w, "No cluster leader", http.StatusInternalServerError)
			return true
		})
		if got := r.await(t, "the error", failing); len(got.Workers) != 1 || !strings.Contains(got.Err.Error(), "No cluster leader") {
			t.Errorf("%d workers, error %v", len(got.Workers), got.Err)
		}
		consul.spoilWith(nil)
		r.await(t, "the end of the error", workers(1))
		r.stop()
	}
}

// Nothing listens for ten minutes: the last known workers stay, the error is told, and Consul is asked at least each 15s.
func TestScenario15ConsulDownForMinutes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var last found
		errs, asked := 0, 0
		to := sink{attempted: func(err error) {
			if err != nil {
				errs++
			}
		}, changed: func(f found) { last = f }}
		r := &consulRun{consulSource: &consulSource{options: &ConsulOptions{}}, sink: to, parts: map[string]*consulPart{}, catalog: true}
		part := &consulPart{}
		r.parts["webapp"] = part
		r.setPart("webapp", part, []candidate{{key: "w0"}}, nil)
		ctx := t.Context()
		began := time.Now()
		w := watch{failed: func(err error) { to.attempted(err); r.setPart("webapp", part, nil, err) }}
		done := make(chan struct{})
		w.query = func(cause context.Context, _ uint64) (int, uint64, error) {
			if asked++; time.Since(began) > 10*time.Minute {
				close(done)
				<-cause.Done()
			}
			return 0, 0, errors.New("connect: connection refused")
		}
		ctx, cancel := context.WithCancel(ctx)
		ended := make(chan struct{})
		go func() { defer close(ended); w.run(ctx) }()
		<-done
		cancel()
		<-ended
		if len(last.candidates) != 1 || !last.answered || last.err == nil {
			t.Errorf("after ten minutes: %+v", last)
		}
		if asked < 40 || asked > 100 || errs < 40 {
			t.Errorf("asked %d times, %d errors", asked, errs)
		}
	})
}
