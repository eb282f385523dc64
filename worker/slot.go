package worker

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// maxSlots bounds the search; more workers than that on one host are no instance.
const maxSlots = 1 << 16

// slotFolder is where the slots of an instance are: in a folder of this user alone, because others can write to the
// folder around it and could put a symlink where a lock file is expected. examples/python/fedscrape_worker.py has the
// same names, so that workers of both kinds share slots.
func slotFolder(job, instance string) (string, error) {
	own := filepath.Join(os.TempDir(), fmt.Sprintf("fedscrape-%d", os.Geteuid()))
	if err := os.Mkdir(own, 0o700); err != nil && !os.IsExist(err) {
		return "", err
	}
	info, err := os.Lstat(own)
	if err != nil {
		return "", err
	}
	if !info.IsDir() || info.Mode().Perm()&0o077 != 0 || !ownedByUs(info) {
		return "", fmt.Errorf("%s is not a folder of this user alone: remove it", own)
	}
	folder := filepath.Join(own, fileName(job)+"@"+fileName(instance))
	if err := os.Mkdir(folder, 0o700); err != nil && !os.IsExist(err) {
		return "", err
	}
	return folder, nil
}

// fileName is text as a part of a file's name.
func fileName(text string) string {
	var name strings.Builder
	for i := range len(text) {
		if c := text[i]; isPlain(c) {
			name.WriteByte(c)
		} else {
			fmt.Fprintf(&name, "%%%02X", c)
		}
	}
	if name.Len() <= 100 {
		return name.String()
	}
	sum := sha256.Sum256([]byte(text))
	return name.String()[:64] + hex.EncodeToString(sum[:16])
}

func isPlain(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.IndexByte("._-", c) >= 0
}
