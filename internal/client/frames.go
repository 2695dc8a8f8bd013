package client

import "encoding/binary"

// Every request and every answer is a frame: 4 bytes of size, then as many bytes. A
// request's begin with its API key and version, 2 bytes each, and its correlation id;
// an answer's with the correlation id of its request.
const (
	sizeLength  = 4
	requestHead = 8
	answerHead  = 4
)

// frames finds the frames in one direction of a connection, however it is cut.
type frames struct {
	want int // bytes of the head, behind the size
	have int // bytes of size and head that have come
	left int // bytes of the frame, behind the size, that are to come
	head [sizeLength + requestHead]byte
}

// edge is what a byte completes.
type edge int

const (
	headed edge = 1 << iota // the head of a frame: its id and key may be asked for
	ended                   // a frame, which may be too short for a head
	broken                  // a size that makes no sense: no frame can be found any more
)

// take reads on, up to the next edge at most, and says how far.
func (f *frames) take(b []byte) (n int, at edge) {
	if f.have < sizeLength {
		n = copy(f.head[f.have:sizeLength], b)
		f.have += n
		if f.have < sizeLength {
			return n, 0
		}
		if f.left = int(int32(binary.BigEndian.Uint32(f.head[:]))); f.left < 0 {
			return n, broken
		}
	} else if whole := sizeLength + f.want; f.have < whole {
		n = copy(f.head[f.have:min(whole, f.have+f.left)], b)
		f.have += n
		f.left -= n
		if f.have == whole {
			at = headed
		}
	} else {
		n = min(f.left, len(b))
		f.left -= n
	}
	if f.left == 0 {
		f.have = 0
		at |= ended
	}
	return n, at
}

// between says whether the next byte begins a frame.
func (f *frames) between() bool { return f.have == 0 }

// key of a request whose head is complete, and id of a request or an answer.
func (f *frames) key() int16 { return int16(binary.BigEndian.Uint16(f.head[sizeLength:])) }
func (f *frames) id() int32 {
	return int32(binary.BigEndian.Uint32(f.head[sizeLength+f.want-4:]))
}

// kind is what we tell requests apart by.
type kind int8

const (
	other kind = iota
	fetch
	produce
)

func kindOf(key int16) kind {
	switch key {
	case 1, 78: // Fetch, ShareFetch
		return fetch
	case 0:
		return produce
	}
	return other
}

// flightMost bounds the requests in flight on a connection that are known by kind. A
// producer with acks=0 gets no answers: of its requests the last ones stay.
const flightMost = 128

// flight is the requests that may still be answered, the oldest first.
type flight struct {
	asked   [flightMost]request
	first   int
	n       int
	fetches int // of them
}

type request struct {
	id   int32
	kind kind
}

// add puts in a request that is being written. When there are too many the oldest is
// forgotten: its answer will be of no known kind.
func (f *flight) add(r request) {
	if f.n == flightMost {
		f.pop()
	}
	f.asked[(f.first+f.n)%flightMost] = r
	f.n++
	if r.kind == fetch {
		f.fetches++
	}
}

func (f *flight) pop() request {
	r := f.asked[f.first]
	f.first = (f.first + 1) % flightMost
	f.n--
	if r.kind == fetch {
		f.fetches--
	}
	return r
}

// answered takes out the request with this id, and those before it: a broker answers
// the requests of a connection in their order, so they never will be.
func (f *flight) answered(id int32) kind {
	for i := range f.n {
		if f.asked[(f.first+i)%flightMost].id != id {
			continue
		}
		for range i {
			f.pop()
		}
		return f.pop().kind
	}
	return other
}
