package exposition

import (
	"slices"
	"strings"

	"github.com/prometheus/common/model"
)

// learn reads a line's series in full.
func (p *Page) learn(text []byte, c context) (Slot, string, *declared, error) {
	if p.holding.scratch == nil {
		p.holding.scratch = scratches.Get().(*scratch)
	}
	name, labels, err := parseSeries(text, p.format == OpenMetrics, p.holding.scratch)
	if err != nil {
		return NoSlot, "", nil, err
	}
	return p.learnSeries(name, labels, c, text)
}

// learnSeries gives a series its slot, and remembers it by its text.
func (p *Page) learnSeries(name string, labels Labels, c context, text []byte) (Slot, string, *declared, error) {
	if err := sortLabels(labels); err != nil {
		return NoSlot, "", nil, err
	}
	slot, family, of, keep, err := p.slot(name, labels)
	if err != nil {
		return NoSlot, "", nil, err
	}
	// Another page's declarations may give a line that stands elsewhere another meaning. What the sink refuses today it
	// may take tomorrow; what is relabeled away is away.
	switch {
	case of == p.current && (slot != NoSlot || !keep):
		p.holdAlone()
		p.note(p.table.learn(text, c, slot, family))
	case slot != NoSlot:
		p.note(0, false)
	case keep:
		p.holding.refused = true
	}
	return slot, family, of, nil
}

// slot relabels, says which line it is, and asks the sink for its slot. keep is false where the line is relabeled away.
func (p *Page) slot(name string, labels Labels) (slot Slot, family string, of *declared, keep bool, err error) {
	id, of, err := p.resolve(name, labels)
	if p.relabel != nil {
		newName, newLabels, keep := p.relabel(name, labels)
		if !keep {
			return NoSlot, "", of, false, nil
		}
		slices.SortFunc(newLabels, func(a, b Label) int { return strings.Compare(a.Name, b.Name) })
		switch {
		case newName != name:
			id = p.renamed(id, name, newName, newLabels)
		case !slices.Equal(newLabels, labels):
			id, _, _ = p.resolve(name, newLabels) // le may have been relabeled away
		}
		name, labels = newName, newLabels
	}
	if err == nil {
		err = p.checkLimits(name, labels)
	}
	if err != nil {
		return NoSlot, "", nil, true, err
	}
	id.Labels = withoutBound(id)
	return p.sink.Slot(id), id.Family, of, true, nil
}

// renamed says which line a relabeled sample is: of the same type where the new name has the old one's suffix.
func (p *Page) renamed(id SeriesID, name, newName string, labels Labels) SeriesID {
	suffix := strings.TrimPrefix(name, commonStem(id.Family, name))
	if id.Part == PartCreated {
		suffix = "_created"
	}
	stem, cut := strings.CutSuffix(newName, suffix)
	if !cut || stem == "" {
		return SeriesID{Family: newName, Labels: labels}
	}
	switch {
	case id.Part == PartCreated: // of `x` or, of a counter, `x_total`
		old := strings.TrimSuffix(name, suffix)
		return SeriesID{Family: stem + strings.TrimPrefix(id.Family, old), Type: id.Type, Part: id.Part, Labels: labels}
	case id.Type == Counter || id.Type == Info:
		return SeriesID{Family: newName, Type: id.Type, Part: id.Part, Labels: labels}
	}
	d := declared{name: stem, typ: id.Type}
	if out, ok := d.line(p.format, newName, labels); ok {
		return out
	}
	return SeriesID{Family: newName, Labels: labels}
}

// commonStem is the family's name where the sample's begins with it, else the sample's whole.
func commonStem(family, sample string) string {
	if strings.HasPrefix(sample, family) {
		return family
	}
	return sample
}

// sortLabels refuses what is no set of labels: Prometheus would refuse the merged page as a whole.
func sortLabels(labels Labels) error {
	slices.SortStableFunc(labels, func(a, b Label) int { return strings.Compare(a.Name, b.Name) })
	for i, l := range labels {
		if l.Name == model.MetricNameLabel || i > 0 && labels[i-1].Name == l.Name {
			return errTwice
		}
	}
	return nil
}

// checkLimits is for what relabeling has left, as in Prometheus, to which the name is the value of a label too.
func (p *Page) checkLimits(name string, labels Labels) error {
	if p.limits.Labels > 0 && len(labels) > p.limits.Labels {
		return p.limit("label_limit", p.limits.Labels)
	}
	if p.limits.LabelValueLength > 0 && len(name) > p.limits.LabelValueLength {
		return p.limit("label_value_length_limit", p.limits.LabelValueLength)
	}
	for _, l := range labels {
		switch {
		case p.limits.LabelNameLength > 0 && len(l.Name) > p.limits.LabelNameLength:
			return p.limit("label_name_length_limit", p.limits.LabelNameLength)
		case p.limits.LabelValueLength > 0 && len(l.Value) > p.limits.LabelValueLength:
			return p.limit("label_value_length_limit", p.limits.LabelValueLength)
		}
	}
	return nil
}
