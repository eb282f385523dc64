package scraper

import (
	"bytes"
	"errors"
	"io"
)

// maxOverhead is how much more than bodies need may stand between chunks: a worker that sends a byte at a time is slow,
// one that sends kilobytes of extensions with it is hostile.
const maxOverhead = 16 << 10

var (
	errChunk         = errors.New("malformed chunked encoding")
	errLongChunkLine = errors.New("chunk line longer than 4KB")
	errOverhead      = errors.New("chunked encoding contains too much non-data")
	errTrailer       = errors.New("trailer longer than 4KB")
)

// chunks reads a chunked body.
type chunks struct {
	source   *source
	left     int64 // of the chunk that is being read
	begun    bool  // a chunk was read: the end of its line comes before the next one's size
	overhead int64
	err      error
}

// Read gives what is there, of several chunks where they are in the buffer, and waits only where there is nothing.
func (c *chunks) Read(p []byte) (n int, err error) {
	for c.err == nil && n < len(p) {
		switch {
		case n > 0 && c.source.empty():
			return n, nil
		case c.left > 0:
			n += c.readData(p[n:])
		case n > 0 && !c.hasNext():
			return n, nil
		default:
			c.err = c.next()
		}
	}
	if n > 0 && c.err != nil && c.err != io.EOF { //nolint:errorlint // the end itself
		return n, nil
	}
	return n, c.err
}

// hasNext tells whether what stands before the next chunk is in the buffer.
func (c *chunks) hasNext() bool {
	text := c.source.rest()
	if c.begun {
		text = text[min(2, len(text)):]
	}
	return bytes.IndexByte(text, '\n') >= 0
}

func (c *chunks) readData(p []byte) int {
	if int64(len(p)) > c.left {
		p = p[:c.left]
	}
	n, err := c.source.Read(p)
	if c.left -= int64(n); n == 0 {
		c.err = cut(err)
	}
	return n
}

// cut makes an end that comes too early an error.
func cut(err error) error {
	if err == io.EOF { //nolint:errorlint // the end itself
		return io.ErrUnexpectedEOF
	}
	return err
}

// next reads what stands before the next chunk. After the last one it gives io.EOF.
func (c *chunks) next() error {
	if c.begun {
		if err := c.readEnd(); err != nil {
			return err
		}
	}
	line, err := c.readLine()
	if err != nil {
		return err
	}
	size, _, _ := bytes.Cut(bytes.TrimRight(line, " \t"), []byte(";"))
	if c.left, err = parseSize(size); err != nil {
		return err
	}
	c.begun = true
	if c.left == 0 {
		return c.readTrailer()
	}
	return c.allow(int64(len(line)))
}

// allow grants each chunk 16 bytes and twice its size, and adds up what goes beyond.
func (c *chunks) allow(line int64) error {
	c.overhead = max(0, c.overhead+line+2-16-2*min(c.left, maxOverhead))
	if c.overhead > maxOverhead {
		return errOverhead
	}
	return nil
}

// need waits for n bytes in the buffer.
func (c *chunks) need(n int) error {
	for len(c.source.rest()) < n {
		if err := c.source.fill(); err != nil {
			return cut(err)
		}
	}
	return nil
}

func (c *chunks) readEnd() error {
	if err := c.need(2); err != nil {
		return err
	}
	if string(c.source.rest()[:2]) != "\r\n" {
		return errChunk
	}
	c.source.from += 2
	return nil
}

// readLine gives a chunk's line without its end, which must be a carriage return and a line feed, and the only ones.
func (c *chunks) readLine() ([]byte, error) {
	for {
		text := c.source.rest()
		text = text[:min(len(text), maxChunkLine)]
		if end := bytes.IndexByte(text, '\n') + 1; end > 0 {
			if end < 2 || bytes.IndexByte(text, '\r') != end-2 {
				return nil, errChunk
			}
			c.source.from += end
			return text[:end-2], nil
		}
		if len(text) == maxChunkLine {
			return nil, errLongChunkLine
		}
		if err := c.source.fill(); err != nil {
			return nil, cut(err)
		}
	}
}

// parseSize reads a chunk's size: hexadecimal digits, and no more than can be counted.
func parseSize(digits []byte) (int64, error) {
	if len(digits) == 0 || len(digits) > 16 {
		return 0, errChunk
	}
	size := uint64(0)
	for _, c := range digits {
		switch {
		case isDigit(c):
			size = size<<4 | uint64(c-'0')
		case 'a' <= c|0x20 && c|0x20 <= 'f':
			size = size<<4 | uint64(c|0x20-'a'+10)
		default:
			return 0, errChunk
		}
	}
	if size > 1<<62 {
		return 0, errChunk
	}
	return int64(size), nil
}

// readTrailer passes over what follows the last chunk, up to a blank line.
func (c *chunks) readTrailer() error {
	if err := c.need(2); err != nil {
		return err
	}
	if string(c.source.rest()[:2]) == "\r\n" {
		c.source.from += 2
		return io.EOF
	}
	for {
		text := c.source.rest()
		text = text[:min(len(text), maxChunkLine)]
		if bytes.Contains(text, []byte("\r\n\r\n")) {
			rest, err := eachField(text, func(_, _ []byte) {})
			if err != nil {
				return err
			}
			c.source.from += len(text) - len(rest)
			return io.EOF
		}
		if len(text) == maxChunkLine {
			return errTrailer
		}
		if err := c.source.fill(); err != nil {
			return cut(err)
		}
	}
}
