//go:build !purego

package exposition

import (
	"unsafe"

	"golang.org/x/sys/cpu"
)

// skims tells that there is a skimLines for this machine.
const skims = true

// wide tells whether 32 bytes are compared at once.
var wide = cpu.X86.HasAVX2

// skimLines reads lines that are where they are expected and end in up to seven digits, perhaps with `.0`, which most do: a
// comparison and a number, in a third of the time. It stops at the first that is something else, or is too near to an end,
// and leaves that to Page.whole. The texts of known must be those that the entries name.
//
//go:noescape
func skimLines(s *skimming)

// The sizes that skimLines counts in.
var (
	_ [24]byte = [unsafe.Sizeof(known{})]byte{}
	_ [4]byte  = [unsafe.Sizeof(entry(0))]byte{}
)
