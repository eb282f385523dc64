package discovery

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

func TestBackoffStaysWithinItsBounds(t *testing.T) {
	for range 1000 {
		var b backoff
		bound := 2 * leastBackoff
		for range 10 {
			wait := b.next(0)
			if wait < bound/2 || wait > bound {
				t.Fatalf("wait %v is not within %v to %v", wait, bound/2, bound)
			}
			bound = min(2*bound, mostBackoff)
		}
		b.reset()
		if wait := b.next(0); wait < leastBackoff || wait > 2*leastBackoff {
			t.Fatalf("wait after reset: %v", wait)
		}
	}
}

func TestBackoffHonoursRetryAfter(t *testing.T) {
	var b backoff
	if wait := b.next(20 * time.Second); wait != 20*time.Second {
		t.Errorf("waited %v, asked for 20s", wait)
	}
	if wait := b.next(24 * time.Hour); wait != longestRetryAfter {
		t.Errorf("waited %v, at most %v is believed", wait, longestRetryAfter)
	}
}

// asked is one question of a watch: when, counted from the start, and with which index.
type asked struct {
	at    time.Duration
	index uint64
}

// scripted runs a watch in fake time against answers, until they are used up, and says what was asked.
func scripted(t *testing.T, least time.Duration, answers ...func() (int, uint64, error)) []asked {
	t.Helper()
	var questions []asked
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		began := time.Now()
		w := watch{least: least, failed: func(error) {}, query: func(_ context.Context, index uint64) (int, uint64, error) {
			questions = append(questions, asked{time.Since(began), index})
			if len(questions) == len(answers) {
				cancel()
			}
			return answers[len(questions)-1]()
		}}
		w.run(ctx)
	})
	return questions
}

func good(entries int, index uint64) func() (int, uint64, error) {
	return func() (int, uint64, error) { return entries, index, nil }
}

func bad(err error) func() (int, uint64, error) {
	return func() (int, uint64, error) { return 0, 0, err }
}

func TestWatchAsksFromZeroAfterAnErrorOrAFall(t *testing.T) {
	got := scripted(t, 0, good(1, 7), good(1, 9), bad(errors.New("x")), good(1, 9), good(1, 4), good(1, 4), good(1, 5))
	want := []uint64{0, 7, 9, 0, 9, 0, 4}
	for i := range want {
		if got[i].index != want[i] {
			t.Errorf("question %d with index %d, want %d", i, got[i].index, want[i])
		}
	}
}

// An index that any change moves is asked for anew after each pause, and waited with at once.
func TestWatchOfATableIndexAsksFromZeroAfterAPause(t *testing.T) {
	var got []asked
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		began := time.Now()
		w := watch{tableIndex: true, failed: func(error) {}, query: func(_ context.Context, index uint64) (int, uint64, error) {
			got = append(got, asked{time.Since(began), index})
			if len(got) == 5 {
				cancel()
			}
			return 1, uint64(10 * len(got)), nil
		}}
		w.run(ctx)
	})
	want := []asked{{0, 0}, {0, 10}, {leastPause, 0}, {leastPause, 30}, {2 * leastPause, 0}}
	if !slices.Equal(got, want) {
		t.Errorf("asked %v, want %v", got, want)
	}
}

func TestWatchPace(t *testing.T) {
	f := func(name string, least time.Duration, entries int, want time.Duration) {
		t.Helper()
		got := scripted(t, least, good(entries, 1), good(entries, 2), good(entries, 3))
		for i := range got {
			if got[i].at != time.Duration(i)*want {
				t.Errorf("%s: question %d at %v, want %v", name, i, got[i].at, time.Duration(i)*want)
			}
		}
	}
	f("small", 0, 999, 100*time.Millisecond)
	f("big", 0, 1000, time.Second)
	f("refresh_interval", 5*time.Second, 1, 5*time.Second)
	f("refresh_interval of a big list", 5*time.Second, 1000, 5*time.Second)
	f("a short refresh_interval", time.Millisecond, 1, 100*time.Millisecond)
}

func TestWatchBacksOffAndRecovers(t *testing.T) {
	x := bad(errors.New("x"))
	got := scripted(t, 0, x, x, x, x, x, x, x, x, x, good(1, 1), x, good(1, 1))
	for i := 1; i < 10; i++ {
		most := min(2*leastBackoff<<(i-1), mostBackoff)
		if wait := got[i].at - got[i-1].at; wait < most/2 || wait > most {
			t.Errorf("wait %d: %v is not within %v to %v", i, wait, most/2, most)
		}
	}
	if wait := got[11].at - got[10].at; wait > 2*leastBackoff {
		t.Errorf("waited %v for the first error after a good answer", wait)
	}
}

func TestWatchWaitsAsLongAsTheServerAsks(t *testing.T) {
	got := scripted(t, 0, bad(&retryAfterError{errors.New("x"), 40 * time.Second}), good(1, 1))
	if got[1].at != 40*time.Second {
		t.Errorf("asked again after %v, the server said 40s", got[1].at)
	}
}

func TestWatchEndsAtOnceWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		w := watch{failed: func(error) {}, query: func(context.Context, uint64) (int, uint64, error) {
			return 0, 0, &retryAfterError{errors.New("x"), time.Minute}
		}}
		go func() { defer close(ended); w.run(ctx) }()
		synctest.Wait() // it waits out the minute
		began := time.Now()
		cancel()
		<-ended
		if took := time.Since(began); took != 0 {
			t.Errorf("ended after %v", took)
		}
	})
}
