package federator

import (
	"fmt"
	"io"
	"time"

	"github.com/fedscrape/fedscrape/exposition"
)

// Page is one answer to /merged. It must be immutable once it is handed out: overlapping requests share it.
type Page struct {
	// Families are sorted by name, the instance's own fedscrape_* families among them.
	Families []exposition.Filled
	// Time is when the round ended.
	Time time.Time

	// Kept waits until the ledger has what the page shows, as long as a page waits for the ledger: nothing may be shown before.
	// It gives the page that is to be shown instead where the ledger has not; nil where this one is. No Kept: it is kept.
	Kept func() *Page
}

// UnknownInstanceError is asked for an instance that is not known. Known are at most 20 of the job's (or, where the
// job is not known, of all) instances, sorted; Total is how many there are.
type UnknownInstanceError struct {
	Job, Instance string
	Known         []string
	Total         int
}

func (e *UnknownInstanceError) Error() string {
	return fmt.Sprintf("unknown instance %q of job %q", e.Instance, e.Job)
}

// NoWorkerUpError is a round that no worker answered.
type NoWorkerUpError struct{ Failures []Failure }

// Failure is one worker's.
type Failure struct{ WorkerID, Address, Reason string }

func (e *NoWorkerUpError) Error() string {
	return fmt.Sprintf("none of %d workers is up", len(e.Failures))
}

// NotReadyError says what the federator waits for before it can answer.
type NotReadyError struct{ Reason string }

func (e *NotReadyError) Error() string { return e.Reason }

// InstanceStatus is an instance as GET /api/v1/instances shows it.
type InstanceStatus struct {
	Job              string     `json:"job"`
	Instance         string     `json:"instance"`
	Series           int        `json:"series"`
	Departed         int        `json:"departed"`
	LastRound        *time.Time `json:"lastRound"`
	LastRoundSeconds float64    `json:"lastRoundSeconds"`
	// LedgerError is why the ledger lacks what the last page shows.
	LedgerError string         `json:"ledgerError,omitempty"`
	Workers     []WorkerStatus `json:"workers"`
}

// WorkerStatus is a present worker as GET /api/v1/instances shows it.
type WorkerStatus struct {
	WorkerID      string     `json:"workerId"`
	ServiceID     string     `json:"serviceId"`
	Address       string     `json:"address"`
	State         string     `json:"state"` // up, failed, new
	Since         time.Time  `json:"since"`
	LastScrape    *time.Time `json:"lastScrape"`
	ScrapeSeconds float64    `json:"scrapeSeconds"`
	Bytes         int64      `json:"bytes"`
	Samples       int        `json:"samples"`
	Error         string     `json:"error"`
}

// Final is a worker's last snapshot, handed in by the worker itself.
type Final struct {
	Job, Instance string
	ServiceID     string  // X-Fedscrape-Worker
	StartTime     float64 // X-Fedscrape-Start, Unix seconds
	ContentType   string
	Body          io.Reader
	// Authenticated says that the request proved who it is from (--web.config.file has users).
	Authenticated bool
}

// FinalError is a final snapshot that was not taken. Kind says which HTTP status it is.
type FinalError struct {
	Kind FinalErrorKind
	Err  error
}

func (e *FinalError) Error() string { return e.Err.Error() }

// Unwrap gives the cause.
func (e *FinalError) Unwrap() error { return e.Err }

// FinalErrorKind is why a final snapshot was not taken.
type FinalErrorKind int

// The kinds.
const (
	FinalBad      FinalErrorKind = iota // the page or a header cannot be read: 400
	FinalUnknown                        // unknown job or worker: 404
	FinalTooLarge                       // over body_size_limit: 413
	FinalNotReady                       // ledger or discovery not open yet: 503
)
