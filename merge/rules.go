package merge

import (
	"strings"
	"time"

	"github.com/fedscrape/fedscrape/exposition"
)

// modeInfo and modeForever are what only the built-in table can say.
const (
	modeInfo    = ModeOmit + 1 // one series per distinct label set of workers that are up
	modeForever = ModeOmit + 2 // min that outlives every retention: the start of the merged history
)

// builtinRules are the modes of well-known gauges of client libraries. A pattern may end in `*`; the first that fits
// decides. A gauge of one process (memory, handles, threads) adds up over the processes; a limit or a lag does not.
var builtinRules = []struct {
	pattern string
	mode    Mode
}{
	// A later start time is a counter reset to tools that compare it, and merged counters do not reset.
	{"process_start_time_seconds", modeForever},
	{"process_max_fds", ModeLiveMax},
	{"process_virtual_memory_max_bytes", ModeLiveMax},
	{"process_resident_memory_bytes", ModeLiveSum},
	{"process_virtual_memory_bytes", ModeLiveSum},
	{"process_open_fds", ModeLiveSum},
	{"process_heap_bytes", ModeLiveSum},
	{"process_threads", ModeLiveSum},
	{"go_goroutines", ModeLiveSum},
	{"go_threads", ModeLiveSum},
	{"go_gc_gogc_percent", ModeLiveMax},
	{"go_gc_gomemlimit_bytes", ModeLiveMax},
	{"go_sched_gomaxprocs_threads", ModeLiveMax},
	{"go_memstats_gc_cpu_fraction", ModeLiveAvg},
	{"go_memstats_last_gc_time_seconds", ModeLiveMax},
	{"go_memstats_*", ModeLiveSum},
	{"nodejs_eventloop_lag_*", ModeLiveMax},
	{"nodejs_eventloop_utilization", ModeLiveAvg},
	{"nodejs_active_*", ModeLiveSum},
	{"nodejs_heap_*", ModeLiveSum},
	{"nodejs_external_memory_bytes", ModeLiveSum},
	{"puma_*", ModeLiveSum},
	{"jvm_threads_*", ModeLiveSum},
	{"jvm_memory_*", ModeLiveSum},
}

func builtinMode(name string) Mode {
	for _, r := range builtinRules {
		if prefix, wild := strings.CutSuffix(r.pattern, "*"); name == r.pattern || wild && strings.HasPrefix(name, prefix) {
			return r.mode
		}
	}
	return ModeNone
}

// decideMode says how a family of gauges is merged, and who said so.
func (f *Fold) decideMode(fam *family, typ exposition.Type) (mode Mode, from string) {
	if m := f.ruledMode(fam); m != ModeNone {
		return m, "rule"
	}
	if m := f.hint(fam.name); m != ModeNone {
		return m, "hint"
	}
	if m := builtinMode(fam.name); m != ModeNone {
		return m, "builtin"
	}
	if fam.mayBeInfo() && !fam.notInfo {
		return modeInfo, "builtin"
	}
	if typ == exposition.StateSet {
		return ModeLiveMax, "builtin"
	}
	return f.opts.DefaultGaugeMode, "default"
}

// ruledMode is what the first rule that fits says; ModeNone where none does. To look for it takes longer than all the rest of
// a layout: it is kept until there are other rules.
func (f *Fold) ruledMode(fam *family) Mode {
	if fam.ruled {
		return fam.rule
	}
	fam.ruled, fam.rule = true, ModeNone
	for _, r := range f.opts.GaugeModes {
		if r.Match.MatchString(fam.name) {
			fam.rule = r.Mode
			break
		}
	}
	return fam.rule
}

// hint is what the oldest present worker that says something says of a gauge's mode.
func (f *Fold) hint(name string) Mode {
	for _, inc := range f.present() {
		if m, ok := inc.hints[name]; ok {
			return m
		}
	}
	return f.hints[name]
}

// mayBeInfo tells whether its gauges are an info while their every value is 1.
func (fam *family) mayBeInfo() bool { return strings.HasSuffix(fam.name, "_info") }

// infoAgain lets families be infos again whose every value has been 1 for departed_retention: until then the one that
// was not, or a worker that comes and goes, could make them change to and fro.
func (f *Fold) infoAgain(now time.Time) {
	for _, fam := range f.inOrder() {
		if !fam.notInfo || now.Sub(fam.oddAt) <= f.opts.DepartedRetention {
			continue
		}
		if fam.oddAt = now; !f.isOdd(fam) {
			fam.notInfo, f.layout = false, false
		}
	}
}

// isOdd tells whether a present worker has a value other than 1: it may have hung since it said so.
func (f *Fold) isOdd(fam *family) bool {
	for _, inc := range f.present() {
		for i, slot := range inc.slots {
			if l := &f.lines[slot]; l.variant.family == fam && l.part == exposition.PartValue && inc.last[i] != 1 {
				return true
			}
		}
	}
	return false
}

func isTotal(name string) bool { return strings.HasSuffix(name, "_total") }
