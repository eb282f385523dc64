package scraper

import "io"

// Result says how a scrape ended; the value is that of fedscrape_scrapes_total's label.
type Result string

// The results of a scrape.
const (
	ResultOK          Result = "ok"
	ResultTimeout     Result = "timeout"
	ResultRefused     Result = "refused"
	ResultHTTPStatus  Result = "http_status"
	ResultParse       Result = "parse"
	ResultTooLarge    Result = "too_large"
	ResultLimit       Result = "limit"
	ResultWrongWorker Result = "wrong_worker"
)

var results = []Result{
	ResultOK, ResultTimeout, ResultRefused, ResultHTTPStatus, ResultParse, ResultTooLarge, ResultLimit, ResultWrongWorker,
}

// Error is a scrape that failed. Its text says what a person needs, without the target's address.
type Error struct {
	Result Result
	Err    error
}

func (e *Error) Error() string { return e.Err.Error() }

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Err }

// Response is a good answer (200) whose body is about to be read. Body is decoded, and ends with an *Error where a
// limit, the deadline or the connection cut it.
type Response struct {
	ContentType string
	// WorkerID is the header X-Fedscrape-Worker, the answering worker's service ID, where it sent one.
	WorkerID string
	// StartTime is the header X-Fedscrape-Start in Unix seconds, 0 where there was none.
	StartTime float64
	// LengthTold says that the end of the body is known for sure (Content-Length or chunked).
	LengthTold bool
	// Length is that of the body in bytes, as the worker told it; 0 where it did not, or the body was sent compressed.
	Length int64
	Body   io.Reader
}
