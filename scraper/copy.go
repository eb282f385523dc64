package scraper

import "io"

// CopyTo hands the body to w as it arrives, piece by piece, and gives how many bytes were read, also where w refuses them. Of a
// body whose length was told, w gets the very memory that it was read into: it must not keep it.
func (r *Response) CopyTo(w io.Writer) (total int64, err error) {
	if b, ok := r.Body.(*body); ok && b.told != nil {
		return b.handOn(w)
	}
	stack := piecesFor(r.Length)
	piece := stack.get()
	defer stack.put(piece)
	for {
		n, err := r.Body.Read(piece)
		total += int64(n)
		if _, refused := w.Write(piece[:n]); refused != nil {
			return total, refused
		}
		if isEnd(err) {
			return total, nil
		}
		if err != nil {
			return total, err
		}
	}
}

// handOn is CopyTo without a copy.
func (b *body) handOn(w io.Writer) (total int64, err error) {
	for b.err == nil {
		piece, err := b.told.next()
		b.err = b.wire.inWords(err)
		total += int64(len(piece))
		if _, refused := w.Write(piece); refused != nil {
			return total, refused
		}
	}
	if isEnd(b.err) {
		return total, nil
	}
	return total, b.err
}
