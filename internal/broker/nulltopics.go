package broker

import (
	"cmp"
	"crypto/rand"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// mostNullPartitions bounds those of all topics together.
	mostNullPartitions = 100_000
	// mostNullOffset leaves room above the offset that a log may begin to grow at.
	mostNullOffset = 1 << 60
)

// nullTopics are the topics of a null sink. They are looked up for every request and
// change seldom: a change makes a new table.
type nullTopics struct {
	table atomic.Pointer[nullTable]
	// change lets one change at a time happen; partitions is their number.
	change     sync.Mutex
	partitions int
}

type nullTable struct {
	byName map[string]*nullTopic
	byID   map[[16]byte]*nullTopic
}

// nullTopic is where the logs of a topic end, and what is read from them.
type nullTopic struct {
	name       string
	id         [16]byte
	configs    map[string]string
	partitions []nullPartition
	// shape is that of the last records written, packed.
	shape    atomic.Uint64
	prepared atomic.Pointer[prepared]
	watchers watchers
}

// nullPartition has a line of the processor's cache for itself.
type nullPartition struct {
	end atomic.Int64
	_   [56]byte
}

// named is the topic of this name, or nil.
func (t *nullTopics) named(name []byte) *nullTopic { return t.table.Load().byName[string(name)] }

func (t *nullTopics) identified(id [16]byte) *nullTopic { return t.table.Load().byID[id] }

// sorted are all topics in the order of their names.
func (t *nullTopics) sorted() []*nullTopic {
	return slices.SortedFunc(maps.Values(t.table.Load().byName), func(a, b *nullTopic) int { return cmp.Compare(a.name, b.name) })
}

// create makes a topic whose partitions hold so many records. It says what stands
// against it: that it is there, or that there are too many.
func (t *nullTopics) create(name string, partitions int, records int64, configs map[string]string) (made *nullTopic, exists, tooMany bool) {
	t.change.Lock()
	defer t.change.Unlock()
	if there := t.table.Load().byName[name]; there != nil {
		return there, true, false
	}
	if t.partitions+partitions > mostNullPartitions {
		return nil, false, true
	}
	made = &nullTopic{name: name, configs: configs, partitions: make([]nullPartition, partitions)}
	_, _ = rand.Read(made.id[:])
	made.shape.Store(usualShape.pack())
	for i := range made.partitions {
		made.partitions[i].end.Store(records)
	}
	t.partitions += partitions
	t.replace(func(table *nullTable) { table.byName[name], table.byID[made.id] = made, made })
	return made, false, false
}

// remove takes a topic away; clients that wait for its records learn it when they ask
// again.
func (t *nullTopics) remove(gone *nullTopic) {
	t.change.Lock()
	defer t.change.Unlock()
	if t.table.Load().byID[gone.id] != gone {
		return
	}
	t.partitions -= len(gone.partitions)
	t.replace(func(table *nullTable) {
		delete(table.byName, gone.name)
		delete(table.byID, gone.id)
	})
}

func (t *nullTopics) replace(edit func(*nullTable)) {
	old := t.table.Load()
	table := &nullTable{maps.Clone(old.byName), maps.Clone(old.byID)}
	edit(table)
	t.table.Store(table)
}

// partition is nil when the topic is, or has no such.
func (t *nullTopic) partition(index int32) *nullPartition {
	if t == nil || index < 0 || int(index) >= len(t.partitions) {
		return nil
	}
	return &t.partitions[index]
}

// batches are those to read now; their records are of that time.
func (t *nullTopic) batches(at time.Time) *prepared {
	p, now := t.prepared.Load(), t.shape.Load()
	if p == nil || p.shape.pack() != now && time.Since(p.made) > shapeRest {
		p = prepare(unpackShape(now), at)
		t.prepared.Store(p)
	}
	return p
}

// watchers are the connections that wait for a topic's records.
type watchers struct {
	// waiting is their number: with none, a producer takes no lock.
	waiting atomic.Int32
	mu      sync.Mutex
	wakes   map[chan struct{}]struct{}
}

func (w *watchers) add(wake chan struct{}) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.wakes == nil {
		w.wakes = map[chan struct{}]struct{}{}
	}
	w.wakes[wake] = struct{}{}
	w.waiting.Store(int32(len(w.wakes)))
}

func (w *watchers) remove(wake chan struct{}) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.wakes, wake)
	w.waiting.Store(int32(len(w.wakes)))
}

func (w *watchers) wake() {
	if w.waiting.Load() == 0 {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for wake := range w.wakes {
		select {
		case wake <- struct{}{}:
		default: // it knows already
		}
	}
}
