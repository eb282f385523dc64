package federator

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/fedscrape/fedscrape/discovery"
)

// What the ledger has of an instance, under its prefix: the head, the fold's own records, identities of folded
// incarnations, and the workers of departed ones that may return. Its pages have the present workers.
const (
	headKey        = "head"
	foldPrefix     = "fold/"
	identityPrefix = "identity/"
	memberPrefix   = "member/"
)

// instances are all under one prefix.
const instancesPrefix = "instance/"

func (k instanceKey) prefix() string {
	return instancesPrefix + url.PathEscape(k.job) + "/" + url.PathEscape(k.instance) + "/"
}

// splitKey gives the instance that a record is of, and the rest of its key.
func splitKey(key string) (k instanceKey, rest string, err error) {
	parts := strings.SplitN(key, "/", 4)
	if len(parts) != 4 {
		return k, "", fmt.Errorf("the key %q names no instance", key)
	}
	var errJob, errInstance error
	k.job, errJob = url.PathUnescape(parts[1])
	k.instance, errInstance = url.PathUnescape(parts[2])
	return k, parts[3], errors.Join(errJob, errInstance)
}

// headRecord is what is kept of an instance beside its workers and its fold.
type headRecord struct {
	// JobName is of the configuration; the instance's job label may be another.
	JobName  string         `json:"job_name"`
	Started  int            `json:"started"`
	Resets   int            `json:"resets"`
	Lost     int            `json:"lost"`
	Departed map[string]int `json:"departed"`
	// Idle is the clock's reading when the last worker left.
	Idle time.Duration `json:"idle"`
	// At is the clock's reading when this was written: the fold's own clock stood still since.
	At time.Duration `json:"at"`
}

// pageRecord is the head of what is written with each page; the fold's own part follows it.
type pageRecord struct {
	headRecord
	Members []json.RawMessage `json:"members"`
}

// appendJSON gives the record as encoding/json does, which would take longer than all members' records, as they are kept.
// The departed are by all reasons.
func (h *headRecord) appendJSON(dst []byte) []byte {
	number := func(name string, n int64) { dst = append(strconv.AppendInt(append(dst, name...), n, 10), ',') }
	dst = append(append(append(dst, `{"job_name":`...), mustJSON(h.JobName)...), ',')
	number(`"started":`, int64(h.Started))
	number(`"resets":`, int64(h.Resets))
	number(`"lost":`, int64(h.Lost))
	dst = append(dst, `"departed":{`...)
	for _, reason := range reasons {
		number(`"`+reason+`":`, int64(h.Departed[reason]))
	}
	dst = append(dst[:len(dst)-1], "},"...)
	number(`"idle":`, int64(h.Idle))
	number(`"at":`, int64(h.At))
	return append(dst[:len(dst)-1], '}')
}

// json gives the record as encoding/json does, which would read each member's once more.
func (p *pageRecord) json(dst []byte) []byte {
	dst = p.appendJSON(dst)
	dst = append(dst[:len(dst)-1], `,"members":[`...)
	for i, m := range p.Members {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, m...)
	}
	return append(dst, "]}"...)
}

// memberRecord is a worker with what was seen of it.
type memberRecord struct {
	UID    uint64           `json:"uid"`
	Worker discovery.Worker `json:"worker"`
	Start  float64          `json:"start"`
	SaidID bool             `json:"said_id"`
	Folded identity         `json:"folded"`
	Since  time.Time        `json:"since"`
}

// record gives the worker as JSON, made anew only where something changed: it goes out with each page.
func (m *member) record() json.RawMessage {
	r := memberRecord{m.inc.UID(), m.worker, m.start, m.saidID, m.folded, m.since}
	if m.kept == nil || !r.same(&m.keptAs) {
		m.kept, _ = json.Marshal(r) // nothing in it can be unwritable
		m.keptAs = r
	}
	return m.kept
}

func (r *memberRecord) same(o *memberRecord) bool {
	return r.UID == o.UID && r.Start == o.Start && r.SaidID == o.SaidID && r.Folded == o.Folded && r.Since.Equal(o.Since) &&
		sameWorker(&r.Worker, &o.Worker)
}

func sameWorker(a, b *discovery.Worker) bool {
	return a.Key == b.Key && a.Identity == b.Identity && a.Scheme == b.Scheme && a.Address == b.Address && a.MetricsPath == b.MetricsPath &&
		a.Params == b.Params && a.ServiceID == b.ServiceID && a.Node == b.Node && a.CreateIndex == b.CreateIndex &&
		a.StartTime.Equal(b.StartTime) && maps.Equal(a.Labels, b.Labels)
}

// appendHead puts the head, as JSON, before the fold's part.
func appendHead(page, head []byte, appendFold func([]byte) []byte) []byte {
	page = binary.AppendUvarint(page, uint64(len(head)))
	return appendFold(append(page, head...))
}

// splitPage is the way back.
func splitPage(page []byte) (*pageRecord, []byte, error) {
	n, width := binary.Uvarint(page)
	if width <= 0 || n > uint64(len(page)-width) {
		return nil, nil, errors.New("the page ends in its head")
	}
	head := &pageRecord{}
	if err := json.Unmarshal(page[width:width+int(n)], head); err != nil { //nolint:gosec // n is within the page
		return nil, nil, fmt.Errorf("read the head of a ledger page: %w", err)
	}
	return head, page[width+int(n):], nil //nolint:gosec // as above
}
