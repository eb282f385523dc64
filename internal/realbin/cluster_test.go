package realbin

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestConsulCluster(t *testing.T) {
	agents := ConsulCluster(t, 3)
	for i, p := range agents {
		_, body, err := get(t.Context(), "http://"+p.Addr+"/v1/agent/self")
		var self struct {
			Config struct {
				NodeName string
				Server   bool
			}
			Member struct{ Addr string }
		}
		if err == nil {
			err = json.Unmarshal([]byte(body), &self)
		}
		if err != nil || self.Config.Server != (i == 0) || !strings.HasPrefix(p.Addr, self.Member.Addr+":") {
			t.Errorf("agent %d at %s: %+v %v", i, p.Addr, self, err)
		}
	}
	_, body, err := get(t.Context(), "http://"+agents[2].Addr+"/v1/catalog/nodes")
	if n := strings.Count(body, `"Node":`); err != nil || n != 3 {
		t.Errorf("%d nodes: %v %s", n, err, body)
	}
}
