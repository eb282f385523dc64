package scraper

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
)

const (
	// maxHead bounds the heads of an answer, 1xx ones included. net/http allows 10 MB, for every worker at once.
	maxHead = 64 << 10
	// maxChunkLine is how long net/http's readers let chunk lines and trailers be.
	maxChunkLine = 4096
)

// source is a connection with a piece as its buffer: heads and what stands between chunks are read in it, and of a body what
// comes with them.
type source struct {
	r        io.Reader
	piece    []byte // goes back to the others
	buf      []byte
	from, to int // what of buf was not read yet
}

// open begins with a piece that has n bytes of the answer.
func (s *source) open(r io.Reader, piece []byte, n int) {
	*s = source{r: r, piece: piece, buf: piece, to: n}
}

func (s *source) close() {
	if s.piece != nil {
		putPiece(s.piece)
	}
	*s = source{}
}

// widen takes a long piece in the place of a short one, where nothing is in that and n bytes are to come. The values of a head's
// fields go with it.
func (s *source) widen(n int64) {
	if n > shortSize && len(s.buf) == shortSize {
		putPiece(s.piece)
		s.open(s.r, pieces.get(), 0)
	}
}

// take gives up to n bytes of the rest, which are read by that.
func (s *source) take(n int64) []byte {
	p := s.rest()
	if int64(len(p)) > n {
		p = p[:n]
	}
	s.from += len(p)
	return p
}

func (s *source) empty() bool { return s.from == s.to }

// rest is what came and was not read yet. It is good until the next fill.
func (s *source) rest() []byte { return s.buf[s.from:s.to] }

func (s *source) Read(p []byte) (int, error) {
	if s.empty() {
		return s.r.Read(p)
	}
	return copy(p, s.take(int64(len(p)))), nil
}

// fill reads more behind the rest. The buffer grows where the rest fills it; how far is the caller's to bound.
func (s *source) fill() error {
	switch {
	case s.empty():
		s.from, s.to = 0, 0
	case s.to == len(s.buf) && s.from == 0:
		grown := make([]byte, 2*len(s.buf))
		copy(grown, s.buf)
		s.buf = grown
	case s.to == len(s.buf):
		s.to = copy(s.buf, s.rest())
		s.from = 0
	}
	n, err := s.r.Read(s.buf[s.to:])
	s.to += n
	if n > 0 {
		return nil
	}
	return err
}

// readHead reads an answer's head and passes over the 1xx ones before it.
func (s *source) readHead(h *head) error {
	for room := maxHead; ; {
		size, err := s.readOneHead(h, room)
		if err != nil || h.status/100 != 1 || h.status == 101 {
			return err
		}
		room -= size
	}
}

// readOneHead reads a head of up to room bytes. Its first line is looked at as soon as it is there: who speaks no HTTP
// may say no more, and wait.
func (s *source) readOneHead(h *head, room int) (int, error) {
	*h = head{}
	for line, seen := 0, 0; ; {
		text := s.rest()
		if line == 0 {
			if line = bytes.IndexByte(text[seen:], '\n') + 1; line > 0 {
				line += seen
				if err := h.readStatus(withoutEnd(text[:line])); err != nil {
					return 0, err
				}
			}
		}
		if line > 0 {
			if end := headEnd(text, max(line-1, seen-2)); end > 0 && end <= room {
				s.from += end
				return end, h.readFields(text[line:end])
			}
		}
		if len(text) >= room {
			return 0, errLongHead
		}
		seen = len(text)
		if err := s.fill(); err != nil {
			return 0, headCut(s.rest(), line, err)
		}
	}
}

// headCut says why a head ends too early.
func headCut(text []byte, line int, err error) error {
	if err != io.EOF { //nolint:errorlint // the end itself
		return err
	}
	if line == 0 && len(text) > 0 {
		if err := new(head).readStatus(text); err != nil {
			return err
		}
	}
	return io.ErrUnexpectedEOF
}

// headEnd finds where the first blank line ends; 0 where there is none. Lines may end in a bare line feed, as
// everywhere in a head. text[from] is before the first place where a blank line can begin.
func headEnd(text []byte, from int) int {
	for {
		i := bytes.IndexByte(text[from:], '\n')
		if i < 0 {
			return 0
		}
		from += i + 1
		switch next := text[from:]; {
		case len(next) > 0 && next[0] == '\n':
			return from + 1
		case len(next) > 1 && next[0] == '\r' && next[1] == '\n':
			return from + 2
		}
	}
}

func withoutEnd(line []byte) []byte {
	return bytes.TrimSuffix(line[:len(line)-1], []byte("\r"))
}

var errLongHead = &Error{ResultTooLarge, errors.New("headers larger than 64KB")}

// head is what an answer says before its body. The fields' values are in the source's buffer until more is read.
type head struct {
	status       int
	major, minor byte

	length  int64 // of the body; -1 where it was not told
	chunked bool
	close   bool // no further request may follow on this connection

	contentType, contentEncoding, worker, start field

	contentLength, transferEncoding field
	twoLengths, twoEncodings        bool
	saysClose, saysKeepAlive        bool
	badTrailer                      bool
}

func (h *head) readStatus(line []byte) error {
	proto, status, ok := bytes.Cut(line, []byte(" "))
	if !ok {
		return fmt.Errorf("malformed HTTP response %q", line)
	}
	code, _, _ := bytes.Cut(bytes.TrimLeft(status, " "), []byte(" "))
	var err error
	if h.status, err = strconv.Atoi(string(code)); err != nil || len(code) != 3 || h.status < 0 {
		return fmt.Errorf("malformed HTTP status code %q", code)
	}
	if len(proto) != len("HTTP/1.1") || string(proto[:5]) != "HTTP/" || !isDigit(proto[5]) || proto[6] != '.' || !isDigit(proto[7]) {
		return fmt.Errorf("malformed HTTP version %q", proto)
	}
	h.major, h.minor = proto[5]-'0', proto[7]-'0'
	return nil
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

// settle finds out where the body ends, and whether the connection can be used again.
func (h *head) settle() error {
	h.close = h.saysClose || h.major == 1 && h.minor == 0 && !h.saysKeepAlive || h.major == 0 ||
		h.status < 200 // another protocol may follow
	if err := h.settleEncoding(); err != nil {
		return err
	}
	length, err := h.toldLength()
	switch {
	case err != nil:
		return err
	case h.chunked && h.badTrailer:
		return errors.New("bad trailer key")
	case h.status/100 == 1 || h.status == 204 || h.status == 304:
		h.length, h.chunked = 0, false
	case h.chunked || length < 0:
		h.length = -1
		h.close = h.close || !h.chunked
	default:
		h.length = length
	}
	return nil
}

// settleEncoding knows chunked alone. HTTP/1.0 had no such thing; 0.0 is net/http's word for 1.1.
func (h *head) settleEncoding() error {
	old := h.major == 1 && h.minor == 0 || h.major == 0 && h.minor > 0
	if !h.transferEncoding.told || old {
		return nil
	}
	if h.twoEncodings {
		return errors.New("too many transfer encodings")
	}
	if !isWord(h.transferEncoding.value, "chunked") {
		return fmt.Errorf("unsupported transfer encoding: %q", h.transferEncoding.value)
	}
	h.chunked = true
	return nil
}

func (h *head) toldLength() (int64, error) {
	if !h.contentLength.told {
		return -1, nil
	}
	if h.twoLengths {
		return 0, errors.New("answer has several Content-Length headers that differ")
	}
	length, err := strconv.ParseUint(string(h.contentLength.value), 10, 63)
	if err != nil {
		return 0, fmt.Errorf("bad Content-Length %q", h.contentLength.value)
	}
	return int64(length), nil
}
