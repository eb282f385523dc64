package exposition

import "slices"

// expected gives the line that is expected now, its family, and how long its text is, where the page's line is that one;
// nil where it is not. Where the last page does not help, that is the line which followed when it was seen first: workers
// of one instance are much alike.
func (p *Page) expected(line []byte) (k *known, family string, end int) {
	r := &p.repeat
	if r.next < len(r.entries) {
		e := r.entries[r.next]
		if end = p.match(&r.known[e], line); end > 0 {
			r.next++
			r.own = append(r.own, e)
			return &r.known[e], r.families[e], end
		}
	}
	if len(r.own) == 0 || p.index.epoch != r.epoch {
		return nil, "", 0
	}
	e, x := r.own[len(r.own)-1]+1, p.index
	if int(e) >= x.lines() { // as in row
		return nil, "", 0
	}
	if end = p.match(&x.known[e], line); end == 0 {
		return nil, "", 0
	}
	p.note(e, true)
	return &x.known[e], x.families[e], end
}

// match gives how long a sample's text is, where the line begins with that and stands under the same declaration; 0 where
// it does not.
func (p *Page) match(k *known, line []byte) int {
	n := len(k.text)
	if k.slot <= commentLine || len(line) <= n || !isBlank(line[n]) || string(line[:n]) != k.text || k.context != p.context() {
		return 0
	}
	if k.text[n-1] != '}' { // braces may follow after blanks
		if word, _ := token(line[n:]); len(word) > 0 && word[0] == '{' {
			return 0
		}
	}
	return n
}

// note adds a line to the page's own, and finds the place where the expected ones go on.
func (p *Page) note(e entry, ok bool) {
	r := &p.repeat
	if r.sink == nil {
		return
	}
	if !ok {
		r.broken = true
		return
	}
	if r.own == nil {
		p.guess()
	}
	r.own = append(r.own, e)
	ahead := r.entries[min(r.next, len(r.entries)):]
	if at := slices.Index(ahead[:min(look, len(ahead))], e); at >= 0 {
		r.next += at + 1
	}
}
