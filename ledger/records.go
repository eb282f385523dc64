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
	return d.use(func() error {
		return d.db.View(func(tx *bolt.Tx) error { return load(tx, []byte(prefix), f) })
	})
}

func load(tx *bolt.Tx, prefix []byte, f func(key string, value []byte) error) error {
	cursor := tx.Bucket(recordsBucket).Cursor()
	for key, stored := cursor.Seek(prefix); key != nil && bytes.HasPrefix(key, prefix); key, stored = cursor.Next() {
		value, err := unseal(key, stored)
		if err != nil {
			return err
		}
		if err := f(string(key), value); err != nil {
			return err
		}
	}
	return nil
}

// Append implements Store: the batch is on the disk when it returns.
func (d *Disk) Append(batch *Batch) error {
	if _, bad := batch.changes[""]; bad {
		return ErrEmptyKey
	}
	if batch.Len() == 0 {
		return nil
	}
	if err := d.use(func() error { return d.append(batch) }); err != nil {
		return fmt.Errorf("write the ledger's records: %w", err)
	}
	return nil
}

func (d *Disk) append(batch *Batch) error {
	step("append.begin")
	var appended uint64
	if err := update(d.db, func(tx *change) (err error) {
		defer step("append.commit")
		appended, err = tx.apply(batch)
		return err
	}); err != nil {
		return err
	}
	step("append.done")
	for old := d.pages.appended.Load(); old < appended && !d.pages.appended.CompareAndSwap(old, appended); {
		old = d.pages.appended.Load()
	}
	return nil
}

// apply goes by the order of keys, which is the order of the file. It gives how many batches there are now.
func (c *change) apply(batch *Batch) (appended uint64, err error) {
	for _, name := range slices.Sorted(maps.Keys(batch.changes)) {
		key, value := []byte(name), batch.changes[name]
		var stored []byte
		if value != nil {
			stored = seal(key, value)
		}
		if err := c.set(recordsBucket, key, stored); err != nil {
			return 0, err
		}
	}
	appended = number(c.tx.Bucket(metaBucket).Get(appendedKey)) + 1
	return appended, c.set(metaBucket, appendedKey, numberBytes(appended))
}
