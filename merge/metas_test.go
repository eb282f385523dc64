package merge

import (
	"slices"
	"strconv"
	"testing"
)

// TestMetasAreShared: workers that say the same have one copy, also where they began before any of them was read.
func TestMetasAreShared(t *testing.T) {
	s := newScene(t)
	a, b, c := s.add("a"), s.add("b"), s.add("c")
	late := s.stage(b, said("the same"))
	s.page(a, said("the same"))
	s.f.Commit(late, s.now)
	s.page(c, said("another"))
	if a.metas != b.metas || a.metas == c.metas {
		t.Errorf("sets %p and %p of workers that say the same, %p of one that does not", a.metas, b.metas, c.metas)
	}
	d, e := s.add("d"), s.add("e")
	s.page(d, "# TYPE c_seconds counter\nc_seconds_total 1")
	s.page(e, "# TYPE c_seconds counter\n# UNIT c_seconds seconds\nc_seconds_total 1")
	if d.metas == e.metas {
		t.Error("another UNIT is no other set")
	}
}

// TestMetaThatIsGone: HELP of a family that the next page of a worker does not have any more is not shown on, where another says something.
func TestMetaThatIsGone(t *testing.T) {
	s, d := newScene(t), disk{}
	a, b := s.add("a"), s.add("b")
	const other = "\n# HELP d of d\n# TYPE d counter\nd_total 1"
	s.page(a, said("old"))
	s.page(b, said("new")+other)
	wantHelp(t, s, &d, "new")
	s.page(b, other[1:])
	wantHelp(t, s, &d, "old")
}

// TestConflictsOfSharedMetas: each worker that says what a newer one does not is named, however many share what they say.
func TestConflictsOfSharedMetas(t *testing.T) {
	s := newScene(t)
	for i, help := range []string{"old", "old", "old", "new", "new"} {
		s.page(s.add(strconv.Itoa(i)), said(help))
	}
	var got []string
	for _, c := range s.f.Conflicts() {
		got = append(got, c.Kind+c.WorkerID)
	}
	if want := []string{"help0", "help1", "help2"}; !slices.Equal(got, want) {
		t.Errorf("conflicts %q, want %q", got, want)
	}
}
