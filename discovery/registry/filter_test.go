package registry

import "testing"

// FuzzFilter: no filter, however odd, may do more than be refused.
func FuzzFilter(f *testing.F) {
	for _, seed := range []string{
		`Service.Meta.instance == "web1"`, `not (Service.ID == x or "a" in Service.Tags) and Checks.Status != passing`,
		`Service.Meta["a\"b"] == ` + "`x`", `Service.ID matches "^a"`, `((((`, `Service.Port == 1`, `"`, `Service.Tags is not empty`,
	} {
		f.Add(seed)
	}
	entry := entryJSON{Service: serviceJSON{ID: "x", Tags: []string{"a"}, Meta: map[string]string{"instance": "web1"}}, Checks: []checkJSON{{Status: passing}}}
	f.Fuzz(func(t *testing.T, text string) {
		keep, err := compileFilter(text, entryFields(entryJSON{}))
		if err != nil {
			return
		}
		if not, err := compileFilter("not ("+text+")", entryFields(entryJSON{})); err == nil && not(entryFields(entry)) == keep(entryFields(entry)) {
			t.Errorf("%q and its negation agree", text)
		}
	})
}
