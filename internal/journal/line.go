package journal

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"time"
)

// schema is the version of a note.
const schema = 1

// note is a line of a journal: a change that is going to be made, or, with Done,
// one that was undone.
type note struct {
	Schema int `json:"schema"`
	// ID counts from 1 in each file.
	ID    int             `json:"id"`
	Kind  string          `json:"kind,omitempty"`
	Data  json.RawMessage `json:"data,omitempty"`
	Owner *Process        `json:"owner,omitempty"`
	Done  bool            `json:"done,omitempty"`
	At    time.Time       `json:"at"`
}

var errDamaged = errors.New("is damaged: what it may have left has to be found by hand; remove the file then")

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func frame(object []byte) []byte {
	return fmt.Appendf(nil, "{\"crc32c\":\"%08x\",\"entry\":%s}\n", crc32.Checksum(object, castagnoli), object)
}

func (n note) encode() ([]byte, error) {
	n.Schema = schema
	object, err := json.Marshal(n)
	return frame(object), err
}

// decode reads a line with its end. The line must be what encode writes of the
// object in it, byte for byte.
func decode(line []byte) (note, error) {
	begin, end := len(frame(nil))-len("}\n"), len(line)-len("}\n")
	if end < begin || !bytes.Equal(frame(line[begin:end]), line) {
		return note{}, errDamaged
	}
	var n note
	err := json.Unmarshal(line[begin:end], &n)
	if n.Schema > schema {
		return note{}, fmt.Errorf("is of version %d: the newer redline that wrote it can undo it", n.Schema)
	}
	if err == nil && (n.Schema != schema || n.ID < 1 || !n.Done && n.Owner == nil) {
		err = errDamaged
	}
	return n, err
}
