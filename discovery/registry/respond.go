package registry

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
)

// response is a good answer.
type response struct {
	body  any    // nil: none
	index uint64 // of a query's result; 0 where the endpoint has none
	hash  string // X-Consul-ContentHash

	status int    // 200 where 0
	text   string // in place of the body, where it is not empty
}

// orText is the response, or its short form where ?format=text asks for that.
func (resp response) orText(r *http.Request, text string) *response {
	if r.URL.Query().Get("format") == "text" {
		resp.text = text
	}
	return &resp
}

// answerError is an answer that is not good.
type answerError struct {
	status int
	text   string
}

func (e *answerError) Error() string { return e.text }

func fail(status int, format string, args ...any) error {
	return &answerError{status: status, text: fmt.Sprintf(format, args...)}
}

func writeError(w http.ResponseWriter, err error) {
	answer, ok := errors.AsType[*answerError](err)
	if !ok {
		answer = &answerError{status: http.StatusInternalServerError, text: err.Error()}
	}
	writeText(w, answer.status, answer.text)
}

func writeText(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("X-Content-Type-Options", "nosniff") // error texts repeat what the client sent
	w.WriteHeader(status)
	_, _ = io.WriteString(w, text) // the client has gone: nobody is left to tell
}

func (resp *response) write(w http.ResponseWriter, r *http.Request) {
	header := w.Header()
	header.Set("Vary", "Accept-Encoding")
	resp.setQueryHeaders(header)
	if resp.body == nil {
		header.Set("Content-Type", "application/json; charset=utf-8")
		return
	}
	if resp.text != "" {
		header.Set("Content-Type", "text/plain")
		w.WriteHeader(resp.status)
		_, _ = io.WriteString(w, resp.text)
		return
	}
	body, err := encode(resp.body, r)
	if err != nil {
		writeError(w, fmt.Errorf("encode the answer: %w", err))
		return
	}
	header.Set("Content-Type", "application/json")
	status := cmp.Or(resp.status, http.StatusOK)
	if len(body) >= gzipFrom && acceptsGzip(r) {
		header.Set("Content-Encoding", "gzip")
		w.WriteHeader(status)
		writeGzip(w, body)
		return
	}
	header.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	_, _ = w.Write(body)
}

// setQueryHeaders adds what Consul's Go client wants of every query; without X-Consul-LastContact it gives an error.
func (resp *response) setQueryHeaders(header http.Header) {
	if resp.hash != "" {
		header.Set("X-Consul-ContentHash", resp.hash)
	}
	if resp.index == 0 {
		return
	}
	header.Set("X-Consul-Index", strconv.FormatUint(resp.index, 10))
	header.Set("X-Consul-LastContact", "0")
	header.Set("X-Consul-KnownLeader", "true")
}

func encode(body any, r *http.Request) ([]byte, error) {
	var buf bytes.Buffer
	encoder := json.NewEncoder(&buf)
	encoder.SetEscapeHTML(false)
	if r.URL.Query().Has("pretty") {
		encoder.SetIndent("", "    ")
		err := encoder.Encode(body)
		return buf.Bytes(), err
	}
	err := encoder.Encode(body)
	return bytes.TrimSuffix(buf.Bytes(), []byte("\n")), err
}

// gzipFrom is the least body worth compressing: less fits into one packet anyway.
const gzipFrom = 1400

func acceptsGzip(r *http.Request) bool {
	for part := range strings.SplitSeq(r.Header.Get("Accept-Encoding"), ",") {
		name, quality, _ := strings.Cut(strings.ReplaceAll(part, " ", ""), ";")
		q, err := strconv.ParseFloat(strings.TrimPrefix(quality, "q="), 64)
		if name == "gzip" && (err != nil || q > 0) {
			return true
		}
	}
	return false
}

func writeGzip(w io.Writer, body []byte) {
	compressor := gzip.NewWriter(w)
	_, _ = compressor.Write(body)
	_ = compressor.Close()
}

// decodeBody reads JSON as strictly as Consul does: unknown fields are errors, upper and lower case are one, and what
// follows the first value is ignored.
func decodeBody(r *http.Request, into any) error {
	decoder := json.NewDecoder(r.Body)
	decoder.DisallowUnknownFields()
	err := decoder.Decode(into)
	if tooLarge, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return fail(http.StatusRequestEntityTooLarge, "Request body too large, max size: %d bytes", tooLarge.Limit)
	}
	if err != nil {
		return fail(http.StatusBadRequest, "Request decode failed: %v", err)
	}
	return nil
}
