package exposition

import (
	"cmp"
	"slices"
)

// learn reads a line's series in full.
func (p *Page) learn(text []byte) (known, error) {
	name, labels, err := parseSeries(text, p.format == OpenMetrics)
	if err != nil {
		return known{}, err
	}
	if err := p.checkLabels(labels); err != nil {
		return known{}, err
	}
	k, under, keep := p.slot(name, labels)
	// What the sink refuses today it may take tomorrow; what is relabeled away is away.
	if under && p.mayKnow() && (k.slot != NoSlot || !keep) {
		p.table.learn(p.key, k)
	}
	return k, nil
}

// slot relabels, says which line it is, and asks the sink for its slot. keep is false where the line is relabeled away.
func (p *Page) slot(name string, labels Labels) (k known, under, keep bool) {
	id, under := p.resolve(name, labels)
	if p.relabel != nil {
		newName, newLabels, keep := p.relabel(name, labels)
		if !keep {
			return known{slot: NoSlot}, under, false
		}
		slices.SortFunc(newLabels, func(a, b Label) int { return cmp.Compare(a.Name, b.Name) })
		if newName == name {
			id, _ = p.resolve(name, newLabels)
		} else {
			id = p.renamed(id, name, newName, newLabels)
		}
	}
	return known{p.sink.Slot(id), id.Family, under}, under, true
}

// renamed says which line a relabeled sample is: of the same type where the new name has the old one's suffix.
func (p *Page) renamed(id SeriesID, name, newName string, labels Labels) SeriesID {
	suffix := name[len(commonStem(id.Family, name)):]
	if len(newName) > len(suffix) && newName[len(newName)-len(suffix):] == suffix {
		d := declared{name: newName[:len(newName)-len(suffix)], typ: id.Type}
		if id.Type == Counter || id.Type == Info {
			d.name = newName
			return SeriesID{Family: newName, Type: id.Type, Part: id.Part, Labels: labels}
		}
		if out, ok := d.line(p.format, newName, labels); ok {
			return out
		}
	}
	return SeriesID{Family: newName, Labels: labels}
}

// commonStem is the family's name where the sample's begins with it, else the sample's whole.
func commonStem(family, sample string) string {
	if len(sample) >= len(family) && sample[:len(family)] == family {
		return family
	}
	return sample
}

// checkLabels sorts the labels and holds them against the limits.
func (p *Page) checkLabels(labels Labels) error {
	if p.limits.Labels > 0 && len(labels) > p.limits.Labels {
		return p.limit("label_limit", p.limits.Labels)
	}
	slices.SortStableFunc(labels, func(a, b Label) int { return cmp.Compare(a.Name, b.Name) })
	for i, l := range labels {
		switch {
		case i > 0 && labels[i-1].Name == l.Name:
			return errTwice
		case p.limits.LabelNameLength > 0 && len(l.Name) > p.limits.LabelNameLength:
			return p.limit("label_name_length_limit", p.limits.LabelNameLength)
		case p.limits.LabelValueLength > 0 && len(l.Value) > p.limits.LabelValueLength:
			return p.limit("label_value_length_limit", p.limits.LabelValueLength)
		}
	}
	return nil
}
