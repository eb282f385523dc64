package federator

import (
	"encoding/json"
	"time"

	"github.com/fedscrape/fedscrape/discovery"
	"github.com/fedscrape/fedscrape/exposition"
	"github.com/fedscrape/fedscrape/merge"
	"github.com/fedscrape/fedscrape/scraper"
)

// The states of a present worker.
const (
	stateNew    = "new"    // not scraped yet
	stateUp     = "up"     // answered the last round
	stateFailed = "failed" // did not
)

// member is a present worker of an instance; its Instance's lock guards it.
type member struct {
	worker discovery.Worker
	inc    *merge.Incarnation
	name   string // the worker ID on pages
	shared bool   // another present worker has the same worker ID
	folded identity
	kept   json.RawMessage // its record as JSON, which was made of keptAs
	keptAs memberRecord

	labels exposition.Labels // of its own series, which were made for name and label
	label  string

	state      string
	since      time.Time
	registered bool
	paged      bool // a page had it, or it is counted as one that none had
	listed     bool // discovery has shown it here since this process began; else only the ledger has
	// start is process_start_time_seconds (or X-Fedscrape-Start) as last seen, 0 where the page shows none; saidID, that
	// the page carried the worker's own ID.
	start  float64
	saidID bool
	// predecessor had this address before; superseded, that another has it now.
	predecessor *member
	superseded  bool

	port    *port     // where several processes may answer at its address
	goodbye time.Time // when it handed in its final snapshot, while it is still registered
	handsIn bool      // its final snapshot is on its way: a list without it is older than it

	changed time.Time // when it came, or its registration went
	meets   bool      // it is to be asked for that

	fetch    *fetch // under way
	failures int    // rounds in a row
	slow     bool   // ran out of time in the last round: waited for only a moment
	suspect  bool   // the last page lacked series and did not say where it ends

	lastTry time.Time
	lastOK  time.Time
	took    time.Duration
	bytes   int64
	samples int
	err     string
	result  scraper.Result // of the last failure
}

// identified tells whether the page shows who answers.
func (m *member) identified() bool { return m.saidID || m.start > 0 }

// sameStart tells whether two start times are one, clock rounding allowed for.
func sameStart(a, b float64) bool { return a-b <= 1 && b-a <= 1 }
