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
const formatVersion = 1

var (
	metaBucket    = []byte("meta")
	recordsBucket = []byte("records")
	pagedBucket   = []byte("paged") // keys whose pages have been synced once
	versionKey    = []byte("version")
	lostKey       = []byte("lost")
	digestKey     = []byte("digest")
)

// openDB opens and checks the file; a nil db comes with damage, or with an error of the file system.
func openDB(path string) (db *bolt.DB, damage, err error) {
	defer func() {
		if r := recover(); r != nil { // bbolt trusts what it reads
			db, damage, err = nil, fmt.Errorf("%w: %v", ErrDamaged, r), nil
		}
	}()
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true)) // a file that is shorter than it says
	db, err = bolt.Open(path, 0o600, &bolt.Options{Timeout: time.Second, FreelistType: bolt.FreelistMapType})
	switch {
	case errors.Is(err, bolterrors.ErrInvalid), errors.Is(err, bolterrors.ErrChecksum), errors.Is(err, bolterrors.ErrVersionMismatch):
		return nil, fmt.Errorf("%w: %s: %w", ErrDamaged, path, err), nil
	case err != nil:
		return nil, nil, fmt.Errorf("open the ledger %s: %w", path, err)
	}
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

// checkDB makes a new file ours, or checks every record of an old one.
func checkDB(db *bolt.DB) error {
	var known bool
	if err := db.View(func(tx *bolt.Tx) (err error) {
		known, err = check(tx)
		return err
	}); err != nil || known {
		return err
	}
	return db.Update(func(tx *bolt.Tx) error {
		for _, name := range [][]byte{metaBucket, recordsBucket, pagedBucket} {
			if _, err := tx.CreateBucket(name); err != nil {
				return err
			}
		}
		meta := tx.Bucket(metaBucket)
		return errors.Join(meta.Put(versionKey, []byte{formatVersion}), meta.Put(digestKey, (&digest{}).bytes()))
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
	var d digest
	if err := records.ForEach(func(key, stored []byte) error {
		d.add(key, stored)
		_, err := unseal(key, stored)
		return err
	}); err != nil {
		return true, err
	}
	if !bytes.Equal(d.bytes(), meta.Get(digestKey)) {
		return true, fmt.Errorf("%w: its records are not those that were written", ErrDamaged)
	}
	return true, nil
}

// digest tells whether a set of records is whole: how many there are, and the sum of their checksums.
type digest struct{ count, sum uint64 }

func (d *digest) add(key, stored []byte) { d.count, d.sum = d.count+1, d.sum+checksum64(key, stored) }

func (d *digest) remove(key, stored []byte) {
	d.count, d.sum = d.count-1, d.sum-checksum64(key, stored)
}

func (d *digest) bytes() []byte {
	return binary.LittleEndian.AppendUint64(binary.LittleEndian.AppendUint64(nil, d.count), d.sum)
}

func readDigest(b []byte) digest {
	if len(b) != 16 {
		return digest{}
	}
	return digest{binary.LittleEndian.Uint64(b), binary.LittleEndian.Uint64(b[8:])}
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func checksum(key, value []byte) uint32 {
	return crc32.Update(crc32.Checksum(key, castagnoli)+uint32(len(key)), castagnoli, value) //nolint:gosec // any number will do
}

func checksum64(key, stored []byte) uint64 {
	return uint64(checksum(key, stored))<<32 | uint64(crc32.Update(crc32.ChecksumIEEE(key), crc32.IEEETable, stored))
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
