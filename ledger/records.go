package ledger

import (
	"bytes"
	"fmt"
	"maps"
	"slices"

	bolt "go.etcd.io/bbolt"
)

// Load implements Store.
func (d *Disk) Load(prefix string, f func(key string, value []byte) error) error {
	d.mu.RLock()
	defer d.mu.RUnlock()
	if d.db == nil {
		return errNotOpen
	}
	return d.db.View(func(tx *bolt.Tx) error {
		cursor := tx.Bucket(recordsBucket).Cursor()
		for key, stored := cursor.Seek([]byte(prefix)); key != nil && bytes.HasPrefix(key, []byte(prefix)); key, stored = cursor.Next() {
			value, err := unseal(key, stored)
			if err != nil {
				return err
			}
			if err := f(string(key), value); err != nil {
				return err
			}
		}
		return nil
	})
}

// Append implements Store: the batch is on the disk when it returns.
func (d *Disk) Append(batch *Batch) error {
	if _, bad := batch.changes[""]; bad {
		return ErrEmptyKey
	}
	if batch.Len() == 0 {
		return nil
	}
	d.mu.RLock()
	defer d.mu.RUnlock()
	if d.db == nil {
		return errNotOpen
	}
	step("append.begin")
	err := d.db.Update(func(tx *bolt.Tx) error {
		defer step("append.commit")
		return applyBatch(tx, batch)
	})
	if err != nil {
		return fmt.Errorf("write the ledger's records: %w", err)
	}
	step("append.done")
	return nil
}

// applyBatch goes by the order of keys, which is the order of the file.
func applyBatch(tx *bolt.Tx, batch *Batch) error {
	records, meta := tx.Bucket(recordsBucket), tx.Bucket(metaBucket)
	sum := readDigest(meta.Get(digestKey))
	for _, name := range slices.Sorted(maps.Keys(batch.changes)) {
		key, value := []byte(name), batch.changes[name]
		if old := records.Get(key); old != nil {
			sum.remove(key, old)
		}
		if value == nil {
			if err := records.Delete(key); err != nil {
				return err
			}
			continue
		}
		stored := seal(key, value)
		sum.add(key, stored)
		if err := records.Put(key, stored); err != nil {
			return err
		}
	}
	return meta.Put(digestKey, sum.bytes())
}

// isPaged tells whether a key's pages have been synced once.
func isPaged(db *bolt.DB, key string) (paged bool) {
	_ = db.View(func(tx *bolt.Tx) error {
		paged = tx.Bucket(pagedBucket).Get([]byte(key)) != nil
		return nil
	})
	return paged
}

func setPaged(db *bolt.DB, key string, paged bool) error {
	return db.Update(func(tx *bolt.Tx) error {
		bucket := tx.Bucket(pagedBucket)
		if paged {
			return bucket.Put([]byte(key), []byte{1})
		}
		return bucket.Delete([]byte(key))
	})
}
