package federator

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"
)

// TestDeadlinesOfARound has callers who come at different times, and who can wait for different times.
func TestDeadlinesOfARound(t *testing.T) {
	type caller struct{ at, patience time.Duration }
	f := func(name string, answers time.Duration, asked int, callers []caller, want ...string) {
		t.Run(name, func(t *testing.T) {
			inWorld(t, nil, func(w *world) {
				two(w)
				w.at("h:2", answer{page: counter(7, 100), delay: answers})
				begun, got := time.Now(), make([]string, len(callers))
				var group sync.WaitGroup
				for i, c := range callers {
					group.Go(func() {
						time.Sleep(c.at)
						ctx, cancel := context.WithTimeout(w.t.Context(), c.patience)
						defer cancel()
						page, err := w.federator.Gather(ctx, "webapp", "web1")
						if err != nil {
							t.Error(err)
							return
						}
						got[i] = fmt.Sprintf("%s after %s", find(page, "x_total"), time.Since(begun))
					})
				}
				group.Wait()
				if n := w.times("h:1"); !slices.Equal(got, want) || n != asked {
					t.Errorf("got %q in %d rounds, want %q in %d", got, n, want, asked)
				}
			})
		})
	}
	const s = time.Second
	f("who comes later can wait longer", 5*s, 1, []caller{{0, 2 * s}, {1 * s, 8 * s}}, "5 after 2s", "12 after 5s")
	f("who comes later can wait less", 5*s, 1, []caller{{0, 2 * s}, {1 * s, 8 * s}, {1500 * time.Millisecond, s}},
		"5 after 2s", "12 after 5s", "5 after 2.5s")
	f("the round ends with its last caller", 9*s, 2, []caller{{0, 2 * s}, {3 * s, s}}, "5 after 2s", "5 after 3.25s")
}
