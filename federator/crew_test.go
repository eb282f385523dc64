package federator

import (
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"weak"
)

// waiting is how many goroutines have nothing to do.
func (c *crew) waiting() int {
	synctest.Wait()
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.idle)
}

func TestCrew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &crew{}
		defer c.close() // also where the test fails
		want := func(what string, got, want int) {
			t.Helper()
			if got != want {
				t.Errorf("%s: %d, want %d", what, got, want)
			}
		}
		for range 5 {
			c.run(func() {})
			want("one after the other", c.waiting(), 1)
		}

		var all sync.WaitGroup // nobody ends before all run
		all.Add(2 * maxIdle)
		for range 2 * maxIdle {
			c.run(func() { all.Done(); all.Wait() })
		}
		want("many that have ended", c.waiting(), maxIdle)
	})
}

func TestCrewCloses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &crew{}
		release, ended := make(chan struct{}), false
		c.run(func() {})
		synctest.Wait()
		c.run(func() { // on the goroutine of the first
			<-release
			c.run(func() { ended = true }) // what still runs may begin more
		})
		c.run(func() {})
		synctest.Wait()
		closed := make(chan struct{})
		go func() { c.close(); close(closed) }()
		synctest.Wait()
		select {
		case <-closed:
			t.Error("close did not wait for what runs")
		default:
		}
		close(release)
		<-closed
		if !ended {
			t.Error("close did not wait for what began after it")
		}
	})
}

// TestCrewLetsGo: who waits for more to do keeps nothing of what it did.
func TestCrewLetsGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &crew{}
		defer c.close()
		for _, what := range []string{"a goroutine's first function", "a later one"} {
			page := new([4096]byte)
			kept := weak.Make(page)
			c.run(func() { page[0]++ })
			synctest.Wait()
			if runtime.GC(); kept.Value() != nil {
				t.Errorf("what %s had is still there", what)
			}
		}
	})
}
