package federator

import (
	"errors"
	"fmt"
	"strings"
	"testing/synctest"
	"time"

	"github.com/fedscrape/fedscrape/discovery"
	"github.com/fedscrape/fedscrape/ledger"
)

var modelSteps = []struct {
	name string
	run  func(m *truth)
}{
	{"birth", (*truth).birth},
	{"count", (*truth).count},
	{"count more", (*truth).count},
	{"kill", func(m *truth) {
		m.pick(func(p *modelProcess) bool { return p.alive }, func(p *modelProcess) { p.alive = false })
	}},
	{"reap", func(m *truth) {
		m.pick(func(p *modelProcess) bool { return p.listed && !p.alive }, (*modelProcess).unlist)
		m.relist()
	}},
	{"hang", func(m *truth) {
		m.pick(func(p *modelProcess) bool { return p.alive }, func(p *modelProcess) { p.hung = true })
	}},
	{"recover", func(m *truth) {
		m.pick(func(p *modelProcess) bool { return p.hung }, func(p *modelProcess) { p.hung = false })
	}},
	{"cut off", func(m *truth) {
		m.pick(func(p *modelProcess) bool { return p.listed }, (*modelProcess).unlist)
		m.relist()
	}},
	{"return", func(m *truth) {
		m.pick(func(p *modelProcess) bool { return !p.listed && p.lives() }, func(p *modelProcess) {
			if p.listed = true; m.random.IntN(4) == 0 {
				p.moveOn()
			}
		})
		m.relist()
	}},
	{"move to the other instance", func(m *truth) {
		m.pick(func(p *modelProcess) bool { return p.listed && p.lives() }, (*modelProcess).moveOn)
		m.relist()
	}},
	{"goodbye", (*truth).sayGoodbye},
	{"reset", func(m *truth) { m.pick((*modelProcess).lives, (*modelProcess).reset) }},
	{"restart in place", func(m *truth) {
		time.Sleep(2 * time.Second)
		m.pick((*modelProcess).lives, func(p *modelProcess) { p.reset(); p.start = max(unix(time.Now()), p.start+500) })
	}},
	{"remove", func(m *truth) {
		m.pick(func(p *modelProcess) bool { return p.hasY && p.lives() }, (*modelProcess).remove)
	}},
	{"change of type", (*truth).changeType},
	{"clock step", func(m *truth) {
		m.pick(func(p *modelProcess) bool {
			v := p.view(p.instance)
			return p.lives() && v.present && !v.fresh
		}, func(p *modelProcess) { p.start += 3600 })
	}},
	{"move to another address", func(m *truth) {
		m.pick(func(p *modelProcess) bool { return p.listed && p.lives() }, func(p *modelProcess) {
			m.refuse(p.address)
			m.born++
			p.address = fmt.Sprintf("h:%d", m.born)
		})
		m.relist()
	}},
	{"meet", (*truth).meet},
	{"empty registry", func(m *truth) {
		before := map[*modelProcess]bool{}
		for _, p := range m.list {
			before[p] = p.listed
			p.listed = false
		}
		m.relist()
		m.check()
		for _, p := range m.list {
			p.listed = before[p]
		}
		m.relist()
	}},
	{"no answer of discovery", func(m *truth) {
		m.script()
		m.tell(func(u *discovery.Update) { u.Workers, u.Answered = nil, false })
		m.relist()
	}},
	{"restart of the federator", func(m *truth) {
		m.heal()
		m.restartAs(m.job)
		if m.random.IntN(3) == 0 {
			m.unanswered = true
			m.check()
			m.unanswered = false
		}
		m.relist()
	}},
	{"job out and in", (*truth).takeJobOut},
	{"forget", (*truth).forget},
	{"ledger fails", func(m *truth) { m.full = true; m.disk.set(errFull, 0) }},
	{"ledger heals", (*truth).heal},
	{"ledger lost", (*truth).loseLedger},
	{"nap", func(m *truth) {
		if m.naps++; m.naps <= 5 {
			time.Sleep(time.Duration(1+m.random.IntN(90)) * time.Minute)
		}
	}},
}

// pick does something to one process of those that may.
func (m *truth) pick(may func(*modelProcess) bool, do func(*modelProcess)) {
	var list []*modelProcess
	for _, p := range m.list {
		if may(p) {
			list = append(list, p)
		}
	}
	if len(list) > 0 {
		do(list[m.random.IntN(len(list))])
	}
}

func (p *modelProcess) lives() bool { return p.alive && p.goodbye.IsZero() }

func (m *truth) birth() {
	time.Sleep(2 * time.Second) // no two start at once
	m.born++
	p := &modelProcess{
		key: fmt.Sprintf("w%d", m.born), address: fmt.Sprintf("h:%d", m.born), start: unix(time.Now().Truncate(time.Second)),
		instance: modelInstances[m.random.IntN(len(modelInstances))], alive: true, listed: true, zCounter: m.zIsA == "counter",
		views: map[string]*modelView{}, kept: map[string]*modelView{},
	}
	p.said = p.start
	p.value[countX], p.hasY = float64(m.random.IntN(5)), m.random.IntN(2) == 0
	if len(m.list) > 0 && m.random.IntN(3) == 0 { // the port of one that is dead, and may still be registered
		m.pick(func(o *modelProcess) bool { return m.ownerOf(o.address) == nil }, func(o *modelProcess) { p.address = o.address })
	}
	m.list = append(m.list, p)
	m.relist()
}

func (m *truth) count() {
	for _, p := range m.list {
		if !p.lives() || m.random.IntN(2) != 0 {
			continue
		}
		p.value[countX] += float64(1 + m.random.IntN(9))
		if p.value[countZ]++; p.hasY {
			p.value[countY]++
		}
		if !p.hasY && m.random.IntN(8) == 0 {
			p.hasY, p.value[countY] = true, 1
		}
		for range m.random.IntN(4) {
			p.value.observe([]float64{0.5, 1.5, 5}[m.random.IntN(3)])
		}
	}
}

// reset makes the process count anew: what it counted since its last page nobody knows, nor whether it was reset
// where it has counted further than that by then.
func (p *modelProcess) reset() { p.value = tally{} }

// remove takes a series away; if it comes back it begins at 0.
func (p *modelProcess) remove() { p.hasY, p.value[countY] = false, 0 }

func (p *modelProcess) unlist() { p.listed = false }

func (p *modelProcess) moveOn() {
	if p.instance = modelInstances[0]; p.view(p.instance).present || p.view(modelInstances[1]).has == (tally{}) && !p.view(modelInstances[1]).present {
		p.instance = modelInstances[1]
	}
}

// changeType deploys a version that has z_total as another type, where all that are present answer: one that lags behind
// or comes back with the old type would decide for a moment.
func (m *truth) changeType() {
	for _, p := range m.list {
		for _, v := range p.views {
			if v.present && (!p.alive || p.hung || v.fresh || v.told != p.address) {
				return
			}
		}
		if p.alive && !p.view(p.instance).present {
			return
		}
	}
	m.zIsA = map[string]string{"counter": "gauge", "gauge": "counter"}[m.zIsA]
	for _, p := range m.list {
		if p.alive {
			p.zCounter = m.zIsA == "counter"
		}
	}
	m.check()
}

// sayGoodbye hands in the last page of a process that ends.
func (m *truth) sayGoodbye() {
	m.pick(func(p *modelProcess) bool { return p.alive && !p.hung && p.listed && p.view(p.instance).present }, func(p *modelProcess) {
		m.script()
		scraped := m.random.IntN(2) == 0 // while it is
		if scraped {
			go func() { _, _ = m.federator.Gather(m.t.Context(), "webapp", p.instance) }()
		}
		now := time.Now()
		m.begun = now
		if got := m.hand(p.key, p.start, p.page(), func(f *Final) { f.Instance = p.instance }); got != "" {
			m.t.Errorf("the goodbye of %s: %s", p.key, got)
		}
		synctest.Wait()
		time.Sleep(15 * time.Second)
		v := p.view(p.instance)
		v.see(p, now, m.lostAt)
		m.settleZ(p.instance)
		v.present = false
		v.remember(modelIdentity{start: p.start}, now, false)
		p.alive, p.goodbye = false, now
		if scraped {
			m.afterRound(p.instance)
		}
		m.keep(p.instance, scraped)
		if m.random.IntN(2) == 0 {
			p.listed = false
			m.relist()
		}
	})
}

// script lets the addresses answer as the processes do.
func (m *truth) script() {
	for _, alive := range []bool{false, true} {
		for _, p := range m.list {
			switch {
			case p.alive != alive:
			case !alive:
				m.refuse(p.address)
			case p.hung:
				m.at(p.address, answer{delay: time.Hour})
			default:
				m.at(p.address, answer{page: p.page(), id: p.key, start: p.start})
			}
		}
	}
}

// relist tells discovery's view, and what follows for the model: who is registered is present.
func (m *truth) relist() {
	m.script()
	m.mu.Lock()
	clear(m.workers)
	m.mu.Unlock()
	now := time.Now()
	for _, p := range m.list {
		if p.listed {
			m.register(p.key, p.address, func(w *discovery.Worker) {
				w.Instance, w.StartTime = p.instance, time.Unix(int64(p.said), 0)
			})
			was := p.view(p.instance).present
			p.join(now, m.lostAt)
			if v := p.view(p.instance); !was && v.present {
				v.registered, v.changed = true, m.paged[p.instance]
			}
		}
		for instance, v := range p.views {
			was := v.registered
			v.registered = p.listed && instance == p.instance
			v.changed = v.changed || v.present && was && !v.registered && m.paged[instance]
			if v.present && v.fresh && (!p.listed || instance != p.instance) {
				v.depart(now, false) // who has never shown who it is goes with its registration
			}
		}
	}
	m.tell()
	synctest.Wait()
	left := map[string]bool{}
	for _, p := range m.list {
		for instance, v := range p.views {
			left[instance] = left[instance] || v.left
			v.left = false
		}
	}
	for instance, some := range left {
		if some { // its records are written at once
			m.keep(instance, false)
		}
	}
}

// meet has the federator ask who has come or gone since its last page.
func (m *truth) meet() {
	m.script()
	m.begun = time.Now()
	m.federator.meet()
	time.Sleep(15 * time.Second) // requests to those who hang end
	for _, instance := range modelInstances {
		for _, p := range m.list {
			v := p.view(instance)
			if !v.changed || m.superseded(p, instance) {
				continue
			}
			v.changed = false
			if v.present {
				m.answer(p, instance, m.begun)
				m.takeOver(p, instance)
			}
		}
		m.settleZ(instance)
		m.saveParted(instance)
	}
}

// saveParted has the ledger know who departed, as sweeps do.
func (m *truth) saveParted(instance string) {
	in := m.federator.instances[instanceKey{m.job.Name, instance}]
	if in == nil || !in.hasParted() {
		return
	}
	in.saveParted(time.Now())
	synctest.Wait()
	m.keep(instance, false)
}

func (in *Instance) hasParted() bool {
	in.mu.Lock()
	defer in.mu.Unlock()
	return !in.parted.IsZero()
}

// superseded tells whether the federator asks another process at the address.
func (m *truth) superseded(p *modelProcess, instance string) bool {
	newer := false
	for _, o := range m.list {
		v := o.view(instance)
		newer = newer || o == p
		if newer && o != p && v.present && o.address == p.address && (v.registered || !p.view(instance).registered) {
			return true
		}
	}
	return false
}

// takeOver is what an answer says of who had the address before.
func (m *truth) takeOver(p *modelProcess, instance string) {
	if !p.alive || p.hung || p.view(instance).told != p.address {
		return
	}
	for _, o := range m.list {
		if o != p && !o.alive && o.address == p.address && o.view(instance).present {
			m.answer(o, instance, m.begun)
		}
	}
}

// heal makes room on the disk, and lets the ledger have what it lacks.
func (m *truth) heal() {
	if m.full {
		m.full = false
		m.disk.set(nil, 0)
		m.check()
	}
}

// restartAs kills the federator and starts one with another configuration. What only discovery has said is not kept.
func (m *truth) restartAs(job *Job) {
	var clock ledger.Batch // as each minute
	clock.Put(clockKey, m.federator.clock.record(time.Now()))
	if err := m.ledger.Append(&clock); err != nil {
		m.t.Error(err)
	}
	own := m.job
	m.job = job
	m.restart()
	m.federator.meetings.start()
	clear(m.paged)
	m.job = own
	for _, p := range m.list {
		p.views = map[string]*modelView{}
		for instance, v := range p.kept {
			view := *v
			view.failures, view.registered, view.changed = 0, true, false
			if view.replaced {
				view.born = unix(time.Now())
			}
			p.views[instance] = &view
		}
	}
	for _, instance := range modelInstances {
		if m.z[instance] = m.keptZ[instance]; m.z[instance] == "" { // no page is kept: who departed decides
			m.z[instance] = oldestZ(m.list, instance, func(v *modelView) bool { return !v.present })
		}
	}
}

// takeJobOut takes the job out of the configuration, and back.
func (m *truth) takeJobOut() {
	m.heal()
	m.federator.Apply([]*Job{})
	synctest.Wait()
	for _, instance := range modelInstances {
		for _, p := range m.list {
			if v := p.view(instance); v.present {
				v.depart(time.Now(), false)
			}
		}
		m.keep(instance, false) // also who left before, and no page was taken since
	}
	if m.random.IntN(2) == 0 {
		time.Sleep(time.Duration(m.random.IntN(30)) * time.Minute)
	}
	if m.random.IntN(2) == 0 {
		other := *m.job
		other.Name = "other"
		m.restartAs(&other)
	}
	m.federator.Apply([]*Job{m.job})
	m.relist()
}

// forget lets go of an instance on purpose, where somebody is there.
func (m *truth) forget() {
	m.pick(func(p *modelProcess) bool {
		v := p.view(p.instance)
		return p.lives() && !p.hung && p.listed && v.present && !v.fresh
	}, func(p *modelProcess) {
		if err := m.federator.Forget("webapp", p.instance); err != nil {
			m.t.Error(err)
		}
		for _, o := range m.list {
			v := o.view(p.instance)
			v.has = tally{}
			switch {
			case v.present:
				v.base, v.baseZ = v.base || v.fresh, v.seen[countZ]
			case v.apart:
				v.apart = false
				v.remember(modelIdentity{start: v.start}, time.Now(), false)
			}
		}
		m.shown[p.instance] = tally{}
		m.keep(p.instance, true)
	})
}

// loseLedger sets the ledger aside while no federator runs.
func (m *truth) loseLedger() {
	if m.random.IntN(3) > 0 {
		return
	}
	m.heal()
	if err := m.ledger.SetAside(errors.New("a test")); err != nil {
		m.t.Error(err)
	}
	m.lostAt = unix(m.ledger.Lost())
	for _, p := range m.list {
		p.kept = map[string]*modelView{}
	}
	clear(m.keptZ)
	clear(m.shown)
	m.restartAs(m.job)
	if strings.Contains(m.world.log.String(), "cannot be set aside") {
		m.t.Error("the ledger cannot be set aside")
	}
	time.Sleep(2 * time.Second)
	m.relist()
}
