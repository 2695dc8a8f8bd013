package result

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
)

// EncodeTrial is a trial as a line of trials.jsonl, its end included:
//
//	{"crc32c":"9ae0daaf","trial":{"schema":1,"number":0,…}}
//
// The sum is CRC-32C (Castagnoli) over the bytes of the trial object as they stand
// there, in eight lower-case hexadecimal digits; the object holds the fields of
// Trial behind TrialSchema. Text that is not UTF-8 is made so. An error means that
// the trial cannot be stored: a figure is no number, or the line is longer than
// MaxLine.
func EncodeTrial(t Trial) ([]byte, error) {
	object, err := json.Marshal(storedTrial{TrialSchema, t})
	if err != nil {
		return nil, fmt.Errorf("write a trial as JSON: %w", err)
	}
	line := fmt.Appendf(nil, "%s%s%s%s%s\n", lineBegin, checksum(object), lineMiddle, object, lineEnd)
	if len(line) > MaxLine {
		return nil, fmt.Errorf("write a trial as JSON: it has %d bytes, more than the %d of a line", len(line), MaxLine)
	}
	return line, nil
}

// DecodeTrial reads a line of trials.jsonl, with its end or without. What
// EncodeTrial did not write is an error, and any single byte changed makes it so; a
// trial of a newer version gives ErrNewer. Whether the trial fits its run says
// Run.Check.
func DecodeTrial(line []byte) (Trial, error) {
	object, err := unframe(bytes.TrimSuffix(line, []byte("\n")))
	if err != nil {
		return Trial{}, err
	}
	var stored storedTrial
	err = json.Unmarshal(object, &stored)
	switch {
	case stored.Schema > TrialSchema: // whatever else it may hold
		return Trial{}, fmt.Errorf("it is a trial of version %d, this reads version %d; use a newer redline: %w", stored.Schema, TrialSchema, ErrNewer)
	case err != nil:
		return Trial{}, fmt.Errorf("it holds no trial: %w", err)
	case stored.Schema != TrialSchema:
		return Trial{}, fmt.Errorf("it is a trial of version %d, which never was", stored.Schema)
	}
	return stored.Trial, nil
}

// storedTrial carries the version inside of what the checksum covers.
type storedTrial struct {
	Schema int `json:"schema"`
	Trial
}

const (
	lineBegin  = `{"crc32c":"`
	lineMiddle = `","trial":`
	lineEnd    = `}`
	sumDigits  = 2 * crc32.Size
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func checksum(object []byte) string { return fmt.Sprintf("%08x", crc32.Checksum(object, castagnoli)) }

// unframe returns the trial object of a line whose checksum holds. The frame must
// stand there byte for byte: it is not covered by the sum.
func unframe(line []byte) ([]byte, error) {
	rest, begun := bytes.CutPrefix(line, []byte(lineBegin))
	if !begun || len(rest) < sumDigits {
		return nil, errors.New("it does not begin as a trial does")
	}
	sum := rest[:sumDigits]
	object, framed := bytes.CutPrefix(rest[sumDigits:], []byte(lineMiddle))
	object, ended := bytes.CutSuffix(object, []byte(lineEnd))
	if !framed || !ended {
		return nil, errors.New("it is not framed as a trial is")
	}
	// As text: "9AE0DAAF" has a changed byte, though the number is the same.
	if want := checksum(object); string(sum) != want {
		return nil, fmt.Errorf("its checksum is %q, its bytes give %q", sum, want)
	}
	return object, nil
}
