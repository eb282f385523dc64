package exposition

// Slot is a small number that a Sink gives a SeriesID, kept in a Table so that a known line costs one look-up.
type Slot int32

// NoSlot is the slot of a line that is to be left out (relabeled away, or refused).
const NoSlot Slot = -1

// Sink takes what a Page reads. Its methods are called from the goroutine that feeds the page, in the page's order.
type Sink interface {
	// Slot gives the slot of a series that the table does not know. The same SeriesID has the same slot for as long
	// as the table lives. It may be called by several pages at once, and must not keep id.Labels, which are the page's.
	Slot(id SeriesID) Slot
	// Sample is one line. The timestamp is in milliseconds, valid where hasTimestamp says so.
	Sample(slot Slot, value float64, timestamp int64, hasTimestamp bool)
	// Meta is what the page says of a family (as SeriesID.Family names it); help is unescaped. It is called at most
	// once per family and page with what is known when its first sample or the next family comes.
	Meta(family string, typ Type, help, unit string)
}

// Limits of one page; 0 is no limit.
type Limits struct {
	Samples          int // lines that are samples, after Relabel
	Labels           int // labels of one sample
	LabelNameLength  int // bytes
	LabelValueLength int // bytes
}

// RelabelFunc rewrites a sample's own name and labels (le and quantile included) when its line is first seen; false
// leaves the line out. The labels that it gives are the page's until it is called again.
type RelabelFunc func(name string, labels Labels) (string, Labels, bool)
