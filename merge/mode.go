package merge

import (
	"fmt"
	"strings"
)

// Mode says how the gauges of several workers become one.
type Mode uint8

// The gauge modes. A live mode counts only workers that are up.
const (
	ModeNone Mode = iota // not decided
	ModeAll
	ModeLiveAll
	ModeMin
	ModeLiveMin
	ModeMax
	ModeLiveMax
	ModeSum
	ModeLiveSum
	ModeMostRecent
	ModeLiveMostRecent
	ModeAvg
	ModeLiveAvg
	ModeOmit
)

var modeNames = [...]string{
	"", "all", "liveall", "min", "livemin", "max", "livemax", "sum", "livesum", "mostrecent", "livemostrecent",
	"avg", "liveavg", "omit", "info", "min",
}

// String gives the mode's name as configuration has it, empty for ModeNone.
func (m Mode) String() string { return modeNames[m] }

// ParseMode reads a mode's name.
func ParseMode(s string) (Mode, error) {
	for i, name := range modeNames[1 : ModeOmit+1] {
		if s == name {
			return Mode(i + 1), nil
		}
	}
	return ModeNone, fmt.Errorf("unknown mode %q (%s)", s, strings.Join(modeNames[1:ModeOmit+1], ", "))
}

// UnmarshalText implements encoding.TextUnmarshaler.
func (m *Mode) UnmarshalText(text []byte) (err error) {
	*m, err = ParseMode(string(text))
	return err
}

// MarshalText implements encoding.TextMarshaler.
func (m Mode) MarshalText() ([]byte, error) { return []byte(m.String()), nil }

// live tells whether only workers that are up count, and the mode without that.
func (m Mode) live() (base Mode, live bool) {
	switch m {
	case ModeLiveAll, ModeLiveMin, ModeLiveMax, ModeLiveSum, ModeLiveMostRecent, ModeLiveAvg:
		return m - 1, true
	default:
		return m, false
	}
}
