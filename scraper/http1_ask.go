package scraper

import "errors"

var errNotStill = errors.New("connection has something that nobody asked for, or was closed")

// asking is a question on its way, and the begin of its answer.
type asking struct {
	question []byte // what of it was not sent yet
	piece    []byte // nil: nothing came yet
	n        int    // bytes that came
	err      error
}

// ask sends the question, and gives the piece that the answer is read into, with n bytes of it, where some had to be waited for
// anyway. One is taken only when there is something to read: of a thousand workers most take their time.
func (c *conn) ask(question []byte) (piece []byte, n int, err error) {
	if asksAtOnce && c.raw != nil {
		question, err = c.askAtOnce(question)
		piece, n = c.asking.piece, c.asking.n
		if c.asking, c.heard = (asking{}), n > 0; err != nil {
			return nil, 0, err
		}
	}
	if len(question) > 0 {
		if _, err := c.Write(question); err != nil {
			return nil, 0, err
		}
	}
	if piece == nil {
		piece = c.pieces().get()
	}
	return piece, n, nil
}

// askAtOnce sends the question and waits for its answer in one turn on the file descriptor: net's connection would try to read
// before there can be anything. It gives what of the question the socket has no room for.
func (c *conn) askAtOnce(question []byte) (rest []byte, err error) {
	c.asking = asking{question: question}
	if err := c.raw.Read(c.turn); err != nil {
		return nil, err
	}
	return c.asking.question, c.asking.err
}

// pieces gives where to take one for the answer's begin.
func (c *conn) pieces() *pieceStack {
	if c.long {
		return &pieces
	}
	return &shortPieces
}
