package worker

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
)

// retryFinal is how long a federator that has just started is given until it is asked again.
const retryFinal = 100 * time.Millisecond

// Final gathers the last page and hands it in; no scrape of this worker is taken after it. It does nothing where no
// federator is configured.
func (w *Worker) Final(ctx context.Context) error {
	if w.disabled || w.options.FederatorURL == "" {
		return nil
	}
	if w.options.Gatherer == nil {
		return errors.New("gather the final snapshot: there is no Gatherer, use FinalPage")
	}
	families, err := w.gather(ctx)
	if err != nil {
		return fmt.Errorf("gather the final snapshot: %w", err)
	}
	format := expfmt.NewFormat(expfmt.TypeOpenMetrics)
	page, err := encode(families, format)
	if err != nil {
		return fmt.Errorf("encode the final snapshot: %w", err)
	}
	return w.FinalPage(ctx, string(format), page)
}

// FinalPage hands in a page that was made elsewhere, in any scrape format: that of a process which cannot do it itself.
func (w *Worker) FinalPage(ctx context.Context, contentType string, page []byte) error {
	if w.disabled || w.options.FederatorURL == "" {
		return nil
	}
	for {
		status, text, err := w.putFinal(ctx, contentType, page)
		if err == nil && status/100 == 2 {
			w.handedIn.Store(true)
			return nil
		}
		if err == nil {
			err = fmt.Errorf("the federator answers %d: %s", status, text)
		}
		if status != http.StatusServiceUnavailable && !restarts(ctx, err) {
			return fmt.Errorf("hand in the final snapshot: %w", err)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("hand in the final snapshot: %w: %w", err, ctx.Err())
		case <-time.After(retryFinal):
		}
	}
}

// restarts tells whether the federator may answer in a moment, because it is being restarted: it refuses, or breaks a
// connection off, for which net/http has several errors, one of them without a name. What no wait mends is not waited for.
// Without a deadline the wait for one that is gone for good would have no end.
func restarts(ctx context.Context, err error) bool {
	var failed *url.Error
	if _, bounded := ctx.Deadline(); !bounded || !errors.As(err, &failed) {
		return false
	}
	var name *net.DNSError
	var certificate *tls.CertificateVerificationError
	return !errors.As(err, &certificate) && (!errors.As(err, &name) || !name.IsNotFound)
}

func (w *Worker) putFinal(ctx context.Context, contentType string, page []byte) (status int, text string, err error) {
	query := url.Values{"job": {w.options.Job}, "instance": {w.options.Instance}}
	target := strings.TrimSuffix(w.options.FederatorURL, "/") + "/api/v1/final?" + query.Encode()
	req, err := http.NewRequestWithContext(ctx, http.MethodPut, target, bytes.NewReader(page))
	if err != nil {
		return 0, "", err
	}
	req.Header.Set("Content-Type", contentType)
	req.Header.Set("X-Fedscrape-Worker", w.serviceID)
	req.Header.Set("X-Fedscrape-Start", formatSeconds(w.startTime))
	resp, err := w.federator.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer func() { _ = resp.Body.Close() }()
	// What is wrong is in the status; a body that breaks off only costs the message its end.
	body, _ := io.ReadAll(io.LimitReader(resp.Body, 200))
	return resp.StatusCode, strings.TrimSpace(string(body)), nil
}

// gather gives up waiting when ctx ends: a collector that hangs must not hang the process' exit.
func (w *Worker) gather(ctx context.Context) ([]*dto.MetricFamily, error) {
	type result struct {
		families []*dto.MetricFamily
		err      error
	}
	results := make(chan result, 1)
	go func() {
		families, err := w.options.Gatherer.Gather()
		results <- result{families, err}
	}()
	select {
	case r := <-results:
		return r.families, r.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func encode(families []*dto.MetricFamily, format expfmt.Format) ([]byte, error) {
	var page bytes.Buffer
	encoder := expfmt.NewEncoder(&page, format)
	for _, family := range families {
		if err := encoder.Encode(family); err != nil {
			return nil, err
		}
	}
	if closer, ok := encoder.(expfmt.Closer); ok { // writes # EOF
		if err := closer.Close(); err != nil {
			return nil, err
		}
	}
	return page.Bytes(), nil
}
