package federator

// Complete is nil once each discovery has answered: from then on Known lacks nobody. The error is a *NotReadyError.
func (f *Federator) Complete() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.answered("")
}
