package federator

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/fedscrape/fedscrape/ledger"
	"github.com/fedscrape/fedscrape/merge"
)

// restore reads the ledger. What cannot be read is set aside, all of it: to serve a part of it as truth would be worse
// than to begin anew. It runs before anything else does.
func (f *Federator) restore(jobs []*Job) {
	now := time.Now()
	if f.lostAtOpening() {
		f.metrics.ledgerErrors.WithLabelValues("read").Inc()
	}
	instances, err := f.readLedger(jobs, now)
	if err == nil {
		f.adopt(instances)
		return
	}
	f.logger.Error("Ledger cannot be read: it is set aside, and counters start from 0", "err", err)
	f.metrics.ledgerErrors.WithLabelValues("read").Inc()
	f.clock = clock{started: now}
	if err := f.ledger.SetAside(err); err != nil {
		f.logger.Error("Ledger cannot be set aside", "err", err)
		f.metrics.ledgerErrors.WithLabelValues("set_aside").Inc()
	}
}

// readLedger gives the instances as they were.
func (f *Federator) readLedger(jobs []*Job, now time.Time) ([]*Instance, error) {
	if err := f.readClock(now); err != nil {
		return nil, err
	}
	records := map[instanceKey]map[string][]byte{}
	err := f.ledger.Load(instancesPrefix, func(key string, value []byte) error {
		k, rest, err := splitKey(key)
		if err != nil {
			return err
		}
		if records[k] == nil {
			records[k] = map[string][]byte{}
		}
		records[k][rest] = slices.Clone(value)
		return nil
	})
	var instances []*Instance
	for k, list := range records {
		if err != nil {
			break
		}
		var in *Instance
		if in, err = f.readInstance(k, list, jobs, now); err != nil {
			err = fmt.Errorf("instance %q of job %q: %w", k.instance, k.job, err)
		}
		instances = append(instances, in)
	}
	return instances, err
}

func (f *Federator) readClock(now time.Time) error {
	f.clock = clock{started: now}
	return f.ledger.Load(clockKey, func(key string, value []byte) error {
		if key != clockKey {
			return nil
		}
		return f.clock.resume(value)
	})
}

// readInstance makes an instance out of its records and its newest page.
func (f *Federator) readInstance(k instanceKey, records map[string][]byte, jobs []*Job, now time.Time) (*Instance, error) {
	head := &headRecord{}
	if err := json.Unmarshal(records[headKey], head); err != nil {
		return nil, fmt.Errorf("read the head: %w", err)
	}
	job := &Job{Name: head.JobName, Merge: merge.NewOptions()}
	if i := slices.IndexFunc(jobs, func(j *Job) bool { return j.Name == head.JobName }); i >= 0 {
		job = jobs[i]
	}
	r := &reading{in: newInstance(f, k, job, now), records: records, now: now, members: map[uint64]*member{}}
	r.in.open, r.in.saved, r.in.idle = true, now, time.Time{}
	r.takeHead(head)
	if err := r.readIdentities(); err != nil {
		return nil, err
	}
	if err := r.readFold(); err != nil {
		return nil, err
	}
	r.in.paged = r.in.counts.pagedCounts
	r.takeSuccessors()
	r.in.nameWorkers()
	return r.in, nil
}

// reading is the state of one readInstance.
type reading struct {
	in      *Instance
	records map[string][]byte
	now     time.Time
	members map[uint64]*member // by UID
	at      time.Duration      // the clock's reading when the instance was written last
}

// foldTime is when the fold was written last: what grew old since then did so while a federator ran.
func (r *reading) foldTime() time.Time {
	if r.at == 0 {
		return r.now
	}
	return r.now.Add(min(0, r.at-r.in.federator.clock.at(r.now)))
}

// takeHead takes the higher of what a record and what a page says: whichever was written later.
func (r *reading) takeHead(h *headRecord) {
	c := &r.in.counts
	c.started, c.resets, c.lost = max(c.started, h.Started), max(c.resets, h.Resets), max(c.lost, h.Lost)
	for reason, n := range h.Departed {
		c.departed[reason] = max(c.departed[reason], n)
	}
	r.at = max(r.at, h.At)
	if idle := r.in.federator.clock.time(h.Idle); idle.After(r.in.idle) {
		r.in.idle = idle
	}
}

func (r *reading) readIdentities() error {
	for key, value := range r.records {
		if name, ok := strings.CutPrefix(key, identityPrefix); ok {
			if err := r.in.folded.restore(name, value); err != nil {
				return err
			}
		}
	}
	r.in.folded.sort()
	return nil
}

// readFold finds the newest page that fits, and takes in who was there.
func (r *reading) readFold() error {
	records := map[string][]byte{}
	for key, value := range r.records {
		if name, ok := strings.CutPrefix(key, foldPrefix); ok {
			records[name] = value
		}
	}
	var failure error
	err := r.in.federator.ledger.LoadPage(r.in.key.prefix(), func(page []byte) bool {
		failure = r.readPage(records, page)
		return true
	})
	if errors.Is(err, ledger.ErrNoPage) {
		r.in.fold, failure = restoreFold(r.in.job, records, nil, r.foldTime())
	} else if err != nil {
		return err
	}
	if failure != nil {
		return failure
	}
	return r.takeMembers()
}

func restoreFold(job *Job, records map[string][]byte, page []byte, now time.Time) (*merge.Fold, error) {
	fold, err := merge.Restore(job.Merge, records, page, now)
	if err != nil {
		return nil, fmt.Errorf("read the sums: %w", err)
	}
	return fold, nil
}

func (r *reading) readPage(records map[string][]byte, page []byte) error {
	head, rest, err := splitPage(page)
	if err != nil {
		return err
	}
	r.takeHead(&head.headRecord)
	for _, raw := range head.Members {
		if err := r.readMember(raw); err != nil {
			return err
		}
	}
	r.in.fold, err = restoreFold(r.in.job, records, rest, r.foldTime())
	return err
}

func (r *reading) readMember(raw []byte) error {
	var rec memberRecord
	if err := json.Unmarshal(raw, &rec); err != nil {
		return fmt.Errorf("read a worker: %w", err)
	}
	r.members[rec.UID] = &member{
		worker: rec.Worker, folded: rec.Folded, state: stateNew, since: rec.Since, start: rec.Start, saidID: rec.SaidID,
		paged:      true,
		registered: true, // until discovery has answered nobody has gone
	}
	return nil
}

// takeMembers joins incarnations and workers.
func (r *reading) takeMembers() error {
	for key, value := range r.records {
		if !strings.HasPrefix(key, memberPrefix) {
			continue
		}
		r.in.savedDeparted[key] = value
		var rec memberRecord
		if err := json.Unmarshal(value, &rec); err != nil {
			return fmt.Errorf("read the worker of a departed incarnation: %w", err)
		}
		if r.members[rec.UID] == nil {
			if err := r.readMember(value); err != nil {
				return err
			}
		}
	}
	for _, inc := range r.in.fold.Incarnations() {
		m := r.members[inc.UID()]
		switch {
		case m == nil && inc.Present():
			r.in.fold.Depart(inc, r.now, false) // what it counted stays; whoever it was comes in anew
		case m == nil:
		case inc.Present():
			m.inc = inc
			r.in.members[m.worker.Key] = m
		default:
			m.inc = inc
			r.in.departed[m.worker.Key] = m
			if r.in.folded.byKey[m.worker.Key].Goodbye {
				m.goodbye = r.now
			}
		}
	}
	return nil
}

// takeSuccessors has workers be asked whose lives on the page have ended by the records: another life answered in their place, of
// which no page knows yet, and discovery may not show it any more.
func (r *reading) takeSuccessors() {
	for _, m := range r.members {
		key := m.worker.Key
		_, folded := r.in.folded.byKey[key]
		if m.inc != nil || m.start == 0 || folded || r.in.members[key] != nil || r.in.departed[key] != nil {
			continue
		}
		m.folded = identity{Start: m.start, ServiceID: m.worker.ServiceID}
		m.since, m.paged = r.now, false
		m.inc = r.in.fold.Add(merge.Spec{Key: key, WorkerID: m.worker.WorkerID, Born: r.now, Base: true})
		r.in.members[key] = m
		r.in.counts.started++
	}
}

// adopt makes the instances that were read known. Those of a job that is not configured wait for it to come back.
func (f *Federator) adopt(instances []*Instance) {
	for _, in := range instances {
		f.orphans[in.key] = in
	}
}

func mustJSON(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err) // a struct of strings and numbers
	}
	return b
}
