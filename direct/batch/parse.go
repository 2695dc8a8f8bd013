package batch

import "encoding/binary"

// parse reads the record at w.at, and returns where the next one begins, or -1.
func (w *Walk) parse() (due, delta int64, end int) {
	length, at := varint(w.records, w.at)
	if at < 0 || length < 0 || length > int64(len(w.records)-at) {
		return 0, 0, -1
	}
	end = at + int(length)
	b := w.records[:end]
	due, at = varint(b, at+1)
	delta, at = varint(b, at)
	w.Key, at = field(b, at)
	w.Value, at = field(b, at)
	count, at := varint(b, at)
	if at < 0 || count < 0 || count > int64(end-at)/2 || passHeaders(b, at, count) != end {
		return 0, 0, -1
	}
	w.count, w.headers = int(count), at
	return due, delta, end
}

// passHeaders returns where so many headers end, or -1.
func passHeaders(b []byte, at int, count int64) int {
	for range count {
		// The usual header has less than 64 bytes of each.
		if uint(at) < uint(len(b)) && b[at]&0x81 == 0 {
			if next := at + 1 + int(b[at]>>1); next < len(b) && b[next]&0x81 == 0 {
				if next += 1 + int(b[next]>>1); next <= len(b) {
					at = next
					continue
				}
			}
		}
		var key []byte
		if key, at = field(b, at); key == nil {
			return -1
		}
		_, at = field(b, at)
	}
	return at
}

// field is a slice with its length before it, nil for length -1.
func field(b []byte, at int) ([]byte, int) {
	n, at := varint(b, at)
	switch {
	case at < 0 || n < -1 || n > int64(len(b)-at):
		return nil, -1
	case n < 0:
		return nil, at
	}
	return b[at : at+int(n) : at+int(n)], at + int(n)
}

// varint reads a number at b[at] and returns where it ends. It returns -1 there where
// none is, and for a negative at, so that one look after several calls is enough.
func varint(b []byte, at int) (int64, int) {
	if uint(at) < uint(len(b)) && b[at] < 0x80 {
		return unzigzag(uint64(b[at])), at + 1
	}
	return longVarint(b, at)
}

func longVarint(b []byte, at int) (int64, int) {
	if at < 0 || at >= len(b) {
		return 0, -1
	}
	n, size := binary.Uvarint(b[at:])
	if size <= 0 {
		return 0, -1
	}
	return unzigzag(n), at + size
}

func unzigzag(n uint64) int64 { return int64(n>>1) ^ -int64(n&1) }
