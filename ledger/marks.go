package ledger

import bolt "go.etcd.io/bbolt"

// mark is what the records know of a key's pages.
type mark byte

const (
	unmarked  mark = iota
	paged          // one has been synced: if none can be read, that is damage
	forgotten      // they are being removed: what is still there does not count
)

// marks are kept with the records. set is synced when it returns.
type marks interface {
	get(key string) mark
	set(key string, m mark) error
}

type dbMarks struct{ db *bolt.DB }

func (m dbMarks) get(key string) (found mark) {
	_ = m.db.View(func(tx *bolt.Tx) error {
		if v := tx.Bucket(pagedBucket).Get([]byte(key)); len(v) == 1 {
			found = mark(v[0])
		}
		return nil
	})
	return found
}

func (m dbMarks) set(key string, to mark) error {
	return update(m.db, func(tx *change) error {
		if to == unmarked {
			return tx.set(pagedBucket, []byte(key), nil)
		}
		return tx.set(pagedBucket, []byte(key), []byte{byte(to)})
	})
}

// keys gives those with a mark.
func (m dbMarks) keys(want mark) (keys []string) {
	_ = m.db.View(func(tx *bolt.Tx) error {
		return tx.Bucket(pagedBucket).ForEach(func(key, v []byte) error {
			if len(v) == 1 && mark(v[0]) == want {
				keys = append(keys, string(key))
			}
			return nil
		})
	})
	return keys
}
