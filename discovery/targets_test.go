package discovery

import (
	"encoding/json"
	"maps"
	"net/url"
	"testing"

	promtargetgroup "github.com/prometheus/prometheus/discovery/targetgroup"

	"github.com/fedscrape/fedscrape/relabel"
)

func worker(instance, id string, more map[string]string) Worker {
	labels := map[string]string{"job": "webapp", "instance": instance, "worker_id": id}
	maps.Copy(labels, more)
	return Worker{Key: instance + id, Target: relabel.Target{
		Identity: relabel.Identity{Job: "webapp", Instance: instance, WorkerID: id},
		Scheme:   "https", Address: "10.0.0.5:4000" + id, MetricsPath: "/m", Params: "a=1&a=2&b=x+y", Labels: labels,
	}}
}

func workerLabel(string) string { return "worker_id" }

func jsonOf(t *testing.T, groups []Group) string {
	t.Helper()
	out, err := json.Marshal(groups)
	if err != nil {
		t.Fatal(err)
	}
	var read []*promtargetgroup.Group
	if err := json.Unmarshal(out, &read); err != nil {
		t.Fatalf("Prometheus cannot read %s: %v", out, err)
	}
	return string(out)
}

func TestInstanceGroups(t *testing.T) {
	f := func(external string, workers []Worker, known []InstanceID, want string) {
		t.Helper()
		u, err := url.Parse(external)
		if err != nil {
			t.Fatal(err)
		}
		if got := jsonOf(t, InstanceGroups(workers, known, workerLabel, u)); got != want {
			t.Errorf("got\n%s\nwant\n%s", got, want)
		}
	}
	f("http://h:9390", nil, nil, `[]`)
	f("http://h:9390/", []Worker{worker("web1:8000", "1", map[string]string{"zone": "a"})}, nil,
		`[{"targets":["h:9390"],"labels":{"__metrics_path__":"/merged","__param_instance":"web1:8000","__param_job":"webapp","__scheme__":"http","instance":"web1:8000","job":"webapp","zone":"a"}}]`)
	f("https://h/fed/", []Worker{
		worker("b", "1", map[string]string{"zone": "a", "slot": "1", "only": "x"}),
		worker("a", "1", nil),
		worker("b", "2", map[string]string{"zone": "a", "slot": "2"}),
		worker("b", "3", map[string]string{"zone": "a", "slot": "1", "only": "x"}),
	}, []InstanceID{{"webapp", "b"}, {"batch", "z"}},
		`[{"targets":["h:443"],"labels":{"__metrics_path__":"/fed/merged","__param_instance":"z","__param_job":"batch","__scheme__":"https","instance":"z","job":"batch"}},`+
			`{"targets":["h:443"],"labels":{"__metrics_path__":"/fed/merged","__param_instance":"a","__param_job":"webapp","__scheme__":"https","instance":"a","job":"webapp"}},`+
			`{"targets":["h:443"],"labels":{"__metrics_path__":"/fed/merged","__param_instance":"b","__param_job":"webapp","__scheme__":"https","instance":"b","job":"webapp","zone":"a"}}]`)
	f("http://[::1]", nil, []InstanceID{{"j", "i"}},
		`[{"targets":["[::1]:80"],"labels":{"__metrics_path__":"/merged","__param_instance":"i","__param_job":"j","__scheme__":"http","instance":"i","job":"j"}}]`)
}

func TestWorkerGroups(t *testing.T) {
	if got := jsonOf(t, WorkerGroups(nil, workerLabel)); got != "[]" {
		t.Error(got)
	}
	given := []Worker{worker("b", "2", nil), worker("b", "1", map[string]string{"zone": "a"})}
	given[0].WorkerID = "2~2" // made unique since it was relabeled
	want := `[{"targets":["10.0.0.5:40001"],"labels":{"__metrics_path__":"/m","__param_a":"1","__param_b":"x y","__scheme__":"https","instance":"b","job":"webapp","worker_id":"1","zone":"a"}},` +
		`{"targets":["10.0.0.5:40002"],"labels":{"__metrics_path__":"/m","__param_a":"1","__param_b":"x y","__scheme__":"https","instance":"b","job":"webapp","worker_id":"2~2"}}]`
	if got := jsonOf(t, WorkerGroups(given, workerLabel)); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if given[0].Labels["worker_id"] != "2" || given[0].WorkerID != "2~2" {
		t.Error("the given workers were changed")
	}
}
