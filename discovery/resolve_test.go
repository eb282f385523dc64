package discovery

import (
	"net/http"
	"strings"
	"testing"
)

func TestLoopbackOfAnotherNodeIsLeftOut(t *testing.T) {
	consul := newFakeConsul(t)
	consul.register("webapp", "web1", "127.0.0.1", 40001)
	consul.register("webapp", "web2", "127.0.0.1", 40002)
	consul.register("webapp", "web2", "10.0.0.6", 40003)
	r := start(t, job(t, "webapp", consul.sd(", services: [webapp]")))
	got := r.await(t, "own and reachable workers", workers(2))
	if got.Workers[0].Address != "127.0.0.1:40001" || got.Workers[1].Address != "10.0.0.6:40003" {
		t.Errorf("%+v", got.Workers)
	}
	if log := r.log.String(); strings.Count(log, "Target left out") != 1 || !strings.Contains(log, `webapp-40002`) {
		t.Errorf("log:\n%s", log)
	}
}

// A token that may not ask the agent must not make the other workers unknown.
func TestLoopbackWithoutAgentRead(t *testing.T) {
	consul := newFakeConsul(t)
	consul.spoilWith(func(w http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path != "/v1/agent/self" {
			return false
		}
		http.Error(w, "Permission denied", http.StatusForbidden)
		return true
	})
	consul.register("webapp", "web1", "127.0.0.1", 40001)
	consul.register("webapp", "web1", "10.0.0.6", 40003)
	r := start(t, job(t, "webapp", consul.sd(", services: [webapp]")))
	if got := r.await(t, "the reachable worker", workers(1)); got.Workers[0].Address != "10.0.0.6:40003" {
		t.Errorf("%+v", got.Workers)
	}
}

func TestBadPortsAreReportedAndLeftOut(t *testing.T) {
	consul := newFakeConsul(t)
	for _, port := range []int{0, -1, 65536, 40001} {
		consul.register("webapp", "web1", "10.0.0.5", port)
	}
	r := start(t, job(t, "webapp", consul.sd(", services: [webapp]")))
	r.await(t, "the good worker", workers(1))
	consul.register("webapp", "web1", "10.0.0.5", 40002)
	r.await(t, "another good one", workers(2))
	if log := r.log.String(); strings.Count(log, "Target left out") != 3 || !strings.Contains(log, "1 to 65535") {
		t.Errorf("log:\n%s", log)
	}
}

func TestTwoRegistrationsOfOneAddressStayTwo(t *testing.T) {
	consul := newFakeConsul(t)
	consul.register("webapp", "web1", "10.0.0.5", 40001)
	consul.register("webapp", "web1", "10.0.0.5", 40001)
	consul.change(func() {
		consul.services["webapp"][1].Service.ID = "successor"
		consul.services["webapp"][1].Service.Meta = map[string]string{"start_time": "1795236000.5"}
	})
	r := start(t, job(t, "webapp", consul.sd(", services: [webapp]")))
	got := r.await(t, "both", workers(2)).Workers
	if got[0].Address != got[1].Address || got[0].Key == got[1].Key || got[0].StartTime.Unix() != 1795236000 || got[0].CreateIndex <= got[1].CreateIndex {
		t.Errorf("%+v", got)
	}
}
