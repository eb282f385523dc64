//go:build race

package merge

const slow = true
