//go:build !race

package merge

// slow says that everything takes ten times as long.
const slow = false
