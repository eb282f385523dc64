package scraper

import (
	"bytes"
	"errors"
	"fmt"
)

// field is a header's value; told is false where the header is not there.
type field struct {
	value []byte
	told  bool
}

// first keeps the first of several, as everyone does who asks net/http for a header.
func (f *field) first(value []byte) {
	if !f.told {
		*f = field{value, true}
	}
}

// errFieldSpace: net/http passes over such a header, as if it was not there. Whoever wrote it meant something.
var errFieldSpace = errors.New("malformed HTTP header: space in its name")

// readFields reads header lines up to and with the blank one. It unfolds what was folded where it stands.
func (h *head) readFields(text []byte) error {
	if _, err := eachField(text, h.set); err != nil {
		return err
	}
	return h.settle()
}

// eachField gives what comes after the blank line; there must be one.
func eachField(text []byte, set func(name, value []byte)) (rest []byte, err error) {
	for {
		var line []byte
		line, text = cutLine(text)
		if len(line) == 0 {
			return text, nil
		}
		name, _, ok := bytes.Cut(line, []byte(":"))
		if !ok {
			return nil, fmt.Errorf("malformed HTTP header line %q", line)
		}
		if err := checkName(name); err != nil {
			return nil, err
		}
		line, text = unfold(trimSpace(line), text)
		value := bytes.TrimLeft(line[len(name)+1:], " \t")
		if !isFieldValue(value) {
			return nil, fmt.Errorf("malformed HTTP header line %q", line)
		}
		set(name, value)
	}
}

func checkName(name []byte) error {
	switch {
	case isToken(name):
		return nil
	case bytes.IndexByte(name, ' ') >= 0:
		return errFieldSpace
	default:
		return fmt.Errorf("malformed HTTP header name %q", name)
	}
}

// unfold joins the lines that begin with a space to the one before. The result is in line's place, and no longer than
// what it was made of.
func unfold(line, text []byte) (whole, rest []byte) {
	for len(text) > 0 && isSpace(text[0]) {
		var more []byte
		more, text = cutLine(text)
		line = append(append(line, ' '), trimSpace(more)...)
	}
	return line, text
}

// cutLine takes a line and its end off. There is an end: a head ends in a blank line.
func cutLine(text []byte) (line, rest []byte) {
	end := bytes.IndexByte(text, '\n') + 1
	return withoutEnd(text[:end]), text[end:]
}

// set takes a header that steers how an answer is read.
func (h *head) set(name, value []byte) {
	switch len(name) {
	case len("trailer"):
		if isWord(name, "trailer") {
			eachWord(value, func(word []byte) {
				h.badTrailer = h.badTrailer || isWord(word, "transfer-encoding") || isWord(word, "trailer") || isWord(word, "content-length")
			})
		}
	case len("connection"):
		if isWord(name, "connection") {
			eachWord(value, func(word []byte) {
				h.saysClose = h.saysClose || isWord(word, "close")
				h.saysKeepAlive = h.saysKeepAlive || isWord(word, "keep-alive")
			})
		}
	case len("content-type"):
		if isWord(name, "content-type") {
			h.contentType.first(value)
		}
	case len("content-length"):
		if isWord(name, "content-length") {
			value = trimSpace(value)
			h.contentLength.first(value)
			h.twoLengths = h.twoLengths || !bytes.Equal(value, h.contentLength.value)
		}
	case len("x-fedscrape-start"):
		if isWord(name, "x-fedscrape-start") {
			h.start.first(value)
		} else if isWord(name, "transfer-encoding") {
			h.twoEncodings = h.transferEncoding.told
			h.transferEncoding.first(value)
		}
	case len("content-encoding"):
		if isWord(name, "content-encoding") {
			h.contentEncoding.first(value)
		}
	case len("x-fedscrape-worker"):
		if isWord(name, "x-fedscrape-worker") {
			h.worker.first(value)
		}
	}
}

func eachWord(list []byte, f func(word []byte)) {
	for len(list) > 0 {
		var word []byte
		word, list, _ = bytes.Cut(list, []byte(","))
		f(trimSpace(word))
	}
}

// isWord compares without regard to the case of ASCII, the only one that HTTP's names know.
func isWord(text []byte, lower string) bool {
	if len(text) != len(lower) {
		return false
	}
	for i, c := range text {
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		if c != lower[i] {
			return false
		}
	}
	return true
}

func isSpace(c byte) bool { return c == ' ' || c == '\t' }

func trimSpace(b []byte) []byte {
	for len(b) > 0 && isSpace(b[0]) {
		b = b[1:]
	}
	for len(b) > 0 && isSpace(b[len(b)-1]) {
		b = b[:len(b)-1]
	}
	return b
}

// tokenBytes are what a header's name is made of.
var tokenBytes = func() (t [256]bool) {
	for _, c := range []byte("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ") {
		t[c] = true
	}
	return t
}()

func isToken(name []byte) bool {
	for _, c := range name {
		if !tokenBytes[c] {
			return false
		}
	}
	return len(name) > 0
}

func isFieldValue(value []byte) bool {
	for _, c := range value {
		if c < ' ' && c != '\t' || c == 0x7f {
			return false
		}
	}
	return true
}
