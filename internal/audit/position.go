package audit

// Next is the offset after the highest one seen in this pass; 0 before any. It
// is called between Begin and End.
func (r *Reader) Next() int64 { return r.next }
