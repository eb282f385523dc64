package ledger

import (
	"fmt"
	"slices"
)

// UnfinishedPage is a page of which only the last part is known, or the beginning of that. One of Finish and Abandon is to be
// called, once.
type UnfinishedPage interface {
	// Append adds to the last part, which must not change until the end.
	Append(last ...[]byte)
	// Finish keeps the page, with what comes before, as WritePage does.
	Finish(first ...[]byte) error
	// Abandon gives it up.
	Abandon()
}

// aheadPage is a page of which the last part is on its way to the disk.
type aheadPage struct {
	disk  *Disk
	key   string
	last  [][]byte
	pages *pages
	write *pageWrite // nil: nothing is written, or all
}

// WriteAhead implements Ledger. An error is left to Finish, which tries again.
func (d *Disk) WriteAhead(key string, last ...[]byte) UnfinishedPage {
	p := &aheadPage{disk: d, key: key, last: last}
	_ = d.use(func() (err error) {
		p.pages = d.pages
		p.write, err = d.pages.writeAhead(key, last)
		return err
	})
	return p
}

// Append implements UnfinishedPage. An error is left to Finish, too.
func (p *aheadPage) Append(last ...[]byte) {
	p.last = append(p.last, last...)
	if p.write == nil {
		return
	}
	taken := false
	err := p.disk.use(func() (err error) {
		if p.pages == p.disk.pages {
			taken, err = p.pages.append(p.write, last)
		}
		return err
	})
	if !taken || err != nil {
		p.Abandon()
	}
}

// Finish implements UnfinishedPage. Where what is written is in the way of another write, or was set aside, all is written.
func (p *aheadPage) Finish(first ...[]byte) error {
	defer p.Abandon()
	err := p.disk.use(func() error {
		if p.write != nil && p.pages == p.disk.pages {
			if taken, err := p.pages.finish(p.write, first); taken {
				p.write = nil // its file is closed
				return err
			}
		}
		return p.disk.pages.write(p.key, slices.Concat(first, p.last))
	})
	if err != nil {
		return fmt.Errorf("write a page of the ledger: %w", err)
	}
	return nil
}

// Abandon implements UnfinishedPage.
func (p *aheadPage) Abandon() {
	if p.write != nil {
		_ = p.write.file.Close() // what is in it is no page
		p.write = nil
	}
}

// WholePage is an UnfinishedPage of a ledger that can write only all at once, by its WritePage.
func WholePage(write func(page ...[]byte) error, last ...[]byte) UnfinishedPage {
	return &wholePage{write, last}
}

type wholePage struct {
	write func(page ...[]byte) error
	last  [][]byte
}

func (p *wholePage) Append(last ...[]byte) { p.last = append(p.last, last...) }

func (p *wholePage) Finish(first ...[]byte) error { return p.write(slices.Concat(first, p.last)...) }

func (p *wholePage) Abandon() {}
