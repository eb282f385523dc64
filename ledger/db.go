package ledger

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"runtime/debug"
	"time"

	bolt "go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"
)

// formatVersion is of the records and the pages. A ledger of another one is set aside.
const formatVersion = 2

var (
	metaBucket    = []byte("meta")
	recordsBucket = []byte("records")
	pagedBucket   = []byte("paged") // keys whose pages have been synced once
	versionKey    = []byte("version")
	lostKey       = []byte("lost")
	appendedKey   = []byte("appended") // how many batches there were
	digestKey     = []byte("digest")

	buckets = [][]byte{metaBucket, recordsBucket, pagedBucket}
)

// mapped is how much is mapped from the begin: where a file outgrows its map, bbolt copies all that is being written. By grown
// the file itself grows.
const (
	mapped = 64 << 20
	grown  = 256 << 10
)

// openDB opens and checks the file; a nil db comes with damage, or with an error of the file system.
func openDB(path string) (db *bolt.DB, damage, err error) {
	defer func() {
		if r := recover(); r != nil { // bbolt trusts what it reads
			if db != nil {
				closeQuietly(db)
			}
			db, damage, err = nil, fmt.Errorf("%w: %s: %v", ErrDamaged, path, r), nil
		}
	}()
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true)) // a file that is shorter than it says
	db, err = bolt.Open(path, 0o600, &bolt.Options{Timeout: time.Second, FreelistType: bolt.FreelistMapType, InitialMmapSize: mapped})
	switch {
	case errors.Is(err, bolterrors.ErrInvalid), errors.Is(err, bolterrors.ErrChecksum), errors.Is(err, bolterrors.ErrVersionMismatch):
		return nil, fmt.Errorf("%w: %s: %w", ErrDamaged, path, err), nil
	case err != nil:
		return nil, nil, fmt.Errorf("open the ledger %s: %w", path, err)
	}
	db.AllocSize = grown
	if err := checkDB(db); err != nil {
		closeQuietly(db)
		if errors.Is(err, ErrDamaged) {
			return nil, err, nil
		}
		return nil, nil, fmt.Errorf("open the ledger %s: %w", path, err)
	}
	return db, nil, nil
}

// closeQuietly closes a file that is damaged, which may panic.
func closeQuietly(db *bolt.DB) {
	defer func() { _ = recover() }()
	_ = db.Close()
}

// checkDB makes a new file ours, or checks all of an old one.
func checkDB(db *bolt.DB) error {
	if err := checkStructure(db.Path(), db.Info().PageSize); err != nil {
		return err
	}
	var known bool
	if err := db.View(func(tx *bolt.Tx) (err error) {
		known, err = check(tx)
		return err
	}); err != nil || known {
		return err
	}
	return db.Update(func(tx *bolt.Tx) error {
		for _, name := range buckets {
			if _, err := tx.CreateBucket(name); err != nil {
				return err
			}
		}
		c := &change{tx: tx}
		return errors.Join(c.set(metaBucket, versionKey, []byte{formatVersion}), c.end())
	})
}

// check reads everything. known is false for an empty file.
func check(tx *bolt.Tx) (known bool, err error) {
	meta, records := tx.Bucket(metaBucket), tx.Bucket(recordsBucket)
	if meta == nil {
		if name, _ := tx.Cursor().First(); name != nil {
			return false, fmt.Errorf("%w: it is a bbolt file of another program", ErrDamaged)
		}
		return false, nil
	}
	switch version := meta.Get(versionKey); {
	case len(version) != 1:
		return true, fmt.Errorf("%w: it has no format version", ErrDamaged)
	case version[0] != formatVersion:
		return true, fmt.Errorf("%w: it has format version %d, this program reads %d", ErrDamaged, version[0], formatVersion)
	case records == nil || tx.Bucket(pagedBucket) == nil:
		return true, fmt.Errorf("%w: a part of it is missing", ErrDamaged)
	}
	if err := records.ForEach(func(key, stored []byte) error {
		_, err := unseal(key, stored)
		return err
	}); err != nil {
		return true, err
	}
	sum, err := sumUp(tx)
	if err == nil && !bytes.Equal(sum.bytes(), meta.Get(digestKey)) {
		err = fmt.Errorf("%w: its records are not those that were written", ErrDamaged)
	}
	return true, err
}

// sumUp makes the digest of all buckets.
func sumUp(tx *bolt.Tx) (sum digest, err error) {
	for _, name := range buckets {
		if err := tx.Bucket(name).ForEach(func(key, stored []byte) error {
			if string(key) != string(digestKey) || &name[0] != &metaBucket[0] {
				sum.add(name, key, stored)
			}
			return nil
		}); err != nil {
			return sum, err
		}
	}
	return sum, nil
}

// change is a transaction that keeps the digest.
type change struct {
	tx  *bolt.Tx
	sum digest
}

// update makes a change, whole or not at all.
func update(db *bolt.DB, f func(*change) error) error {
	return db.Update(func(tx *bolt.Tx) error {
		c := &change{tx: tx, sum: readDigest(tx.Bucket(metaBucket).Get(digestKey))}
		if err := f(c); err != nil {
			return err
		}
		return c.end()
	})
}

// set puts a value as it is stored; nil removes it.
func (c *change) set(bucket, key, stored []byte) error {
	b := c.tx.Bucket(bucket)
	if old := b.Get(key); old != nil {
		c.sum.remove(bucket, key, old)
	}
	if stored == nil {
		return b.Delete(key)
	}
	c.sum.add(bucket, key, stored)
	return b.Put(key, stored)
}

func (c *change) end() error { return c.tx.Bucket(metaBucket).Put(digestKey, c.sum.bytes()) }

// digest tells whether everything is there: how many entries there are, and the sum of their checksums.
type digest struct{ count, sum uint64 }

func (d *digest) add(bucket, key, stored []byte) {
	d.count, d.sum = d.count+1, d.sum+checksum64(bucket, key, stored)
}

func (d *digest) remove(bucket, key, stored []byte) {
	d.count, d.sum = d.count-1, d.sum-checksum64(bucket, key, stored)
}

func (d *digest) bytes() []byte { return append(numberBytes(d.count), numberBytes(d.sum)...) }

func readDigest(b []byte) digest {
	if len(b) != 16 {
		return digest{}
	}
	return digest{number(b[:8]), number(b[8:])}
}

func numberBytes(n uint64) []byte { return binary.LittleEndian.AppendUint64(nil, n) }

func number(b []byte) uint64 {
	if len(b) != 8 {
		return 0
	}
	return binary.LittleEndian.Uint64(b)
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func checksum(key, value []byte) uint32 {
	return crc32.Update(crc32.Checksum(key, castagnoli)+uint32(len(key)), castagnoli, value) //nolint:gosec // any number will do
}

func checksum64(bucket, key, stored []byte) uint64 {
	ieee := crc32.Update(crc32.ChecksumIEEE(bucket), crc32.IEEETable, key)
	return uint64(checksum(key, stored))<<32 | uint64(crc32.Update(ieee, crc32.IEEETable, stored))
}

// seal puts a checksum of key and value before the value.
func seal(key, value []byte) []byte {
	return append(binary.LittleEndian.AppendUint32(make([]byte, 0, 4+len(value)), checksum(key, value)), value...)
}

func unseal(key, stored []byte) ([]byte, error) {
	if len(stored) < 4 || binary.LittleEndian.Uint32(stored) != checksum(key, stored[4:]) {
		return nil, fmt.Errorf("%w: the checksum of the record %q is wrong", ErrDamaged, key)
	}
	return stored[4:], nil
}

// lostTime is when an older ledger was set aside.
func lostTime(db *bolt.DB) (lost time.Time) {
	_ = db.View(func(tx *bolt.Tx) error {
		return lost.UnmarshalText(tx.Bucket(metaBucket).Get(lostKey))
	})
	return lost
}

func readAppended(db *bolt.DB) (appended uint64) {
	_ = db.View(func(tx *bolt.Tx) error {
		appended = number(tx.Bucket(metaBucket).Get(appendedKey))
		return nil
	})
	return appended
}
