package merge

import (
	"testing"
	"time"
)

// helpOf is the merged page's HELP of its first family.
func helpOf(f *Fold, now time.Time) string { return f.Families(now)[0].Help }

// wantHelp holds the HELP that is shown, and that which is kept for a restart, against the one that counts.
func wantHelp(t *testing.T, s *scene, d *disk, want string) {
	t.Helper()
	if got := helpOf(s.f, s.now); got != want {
		t.Errorf("HELP is %q, want %q", got, want)
	}
	d.save(s.f, s.now, false)
	d.page(s.f)
	if got := helpOf(restored(t, NewOptions(), d, s.now), s.now); got != want {
		t.Errorf("HELP is %q after a restart, want %q", got, want)
	}
}

func said(help string) string { return "# HELP c " + help + "\n# TYPE c counter\nc_total 1" }

// A slow scrape is overtaken by the final snapshot of the same worker, which says another HELP: what was committed last
// is shown, whatever was there when each began.
func TestHelpOfAPageOvertaken(t *testing.T) {
	for name, slow := range map[string]string{"said as before": said("old"), "said anew": said("newest")} {
		t.Run(name, func(t *testing.T) {
			s, d := newScene(t), disk{}
			a := s.add("a")
			s.page(a, said("old"))
			wantHelp(t, s, &d, "old")
			late := s.stage(a, slow)
			s.page(a, said("new"))
			wantHelp(t, s, &d, "new")
			s.f.Commit(late, s.now)
			help := a.metas.of["c_total"].help
			wantHelp(t, s, &d, help)
			if slow != said(help) {
				t.Errorf("HELP %q counts, of the page %q", help, slow)
			}
			s.page(a, slow) // taken the quick way
			wantHelp(t, s, &d, help)
		})
	}
}

// A page that turns out to be another's says what differs from that one's, not from the one it was asked of.
func TestHelpOfAPageRebound(t *testing.T) {
	s, d := newScene(t), disk{}
	a, b := s.add("a"), s.add("b")
	s.page(b, said("of b"))
	late := s.stage(b, said("of b"))
	s.f.Remove(b)
	s.page(a, said("of a"))
	wantHelp(t, s, &d, "of a")
	late.Rebind(a)
	s.f.Commit(late, s.now)
	wantHelp(t, s, &d, "of b")
}

// HELP that a slow scrape lacks goes as well.
func TestHelpThatIsGone(t *testing.T) {
	s, d := newScene(t), disk{}
	a := s.add("a")
	s.page(a, "# TYPE c counter\nc_total 1")
	late := s.stage(a, "# TYPE c counter\nc_total 1")
	s.page(a, said("new"))
	wantHelp(t, s, &d, "new")
	s.f.Commit(late, s.now)
	wantHelp(t, s, &d, "")
}
