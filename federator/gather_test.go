package federator

import "context"

// Gather is Prepare, and gives the page that is to be shown.
func (f *Federator) Gather(ctx context.Context, job, instance string) (*Page, error) {
	return shown(f.Prepare(ctx, job, instance))
}

// Gather is Prepare, and gives the page that is to be shown.
func (in *Instance) Gather(ctx context.Context) (*Page, error) { return shown(in.Prepare(ctx)) }

func shown(page *Page, err error) (*Page, error) {
	if err != nil {
		return nil, err
	}
	if page.Kept == nil {
		return page, nil
	}
	if other := page.Kept(); other != nil {
		return other, nil
	}
	return page, nil
}
