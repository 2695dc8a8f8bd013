package exec

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"redline/internal/term"
)

// protocol is the version of what is spoken here.
const protocol = 1

const (
	// maxLine bounds a line of a child, in bytes.
	maxLine = 1 << 20
	// maxText bounds each text that is kept of one, in characters.
	maxText = 300
	// maxSettings bounds the settings that it tells.
	maxSettings = 1000
)

// order is one line of redline: of the type "start" or "stop".
type order struct {
	Type string `json:"type"`
}

// message is one line of a child. Which fields it must have depends on its type.
type message struct {
	Type string `json:"type"`

	// hello
	Protocol int                        `json:"protocol"`
	Client   string                     `json:"client"`
	Version  string                     `json:"version"`
	Settings map[string]json.RawMessage `json:"settings"`

	// count and end
	Records *int64 `json:"records"`
	Bytes   *int64 `json:"bytes"`
	Rewinds int64  `json:"rewinds"`

	// error
	Message string `json:"message"`

	// end
	Errors    int64            `json:"errors"`
	Sum       *string          `json:"sum"`
	Positions map[string]int64 `json:"positions"`

	// What of the above is text was read into.
	settings  map[string]string
	sum       *uint64
	positions map[int32]int64
}

// parseLine reads one line of a child, without its end. A field that no message has is an
// error too: most are misspelt.
func parseLine(line []byte) (message, error) {
	var m message
	decoder := json.NewDecoder(bytes.NewReader(line))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&m); err != nil {
		return message{}, fmt.Errorf("printed what is no message (%s): %s", plain(err.Error()), quote(line))
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return message{}, fmt.Errorf("printed more than one message in a line: %s", quote(line))
	}
	complete, known := map[string]func(*message) error{
		"hello": (*message).hello,
		"count": (*message).count,
		"error": (*message).problem,
		"end":   (*message).end,
	}[m.Type]
	if !known {
		return message{}, fmt.Errorf("printed a message of the type %q, and there are hello, count, error and end: %s", plain(m.Type), quote(line))
	}
	if err := complete(&m); err != nil {
		return message{}, fmt.Errorf("%w: %s", err, quote(line))
	}
	return m, nil
}

func (m *message) hello() error {
	m.Client, m.Version = plain(m.Client), plain(m.Version)
	switch {
	case m.Protocol != protocol:
		return fmt.Errorf("speaks version %d of the protocol, and redline version %d", m.Protocol, protocol)
	case m.Client == "" || m.Version == "":
		return errors.New("did not say in its hello which client and version it is")
	case len(m.Settings) > maxSettings:
		return fmt.Errorf("told more than %d settings", maxSettings)
	}
	m.settings = make(map[string]string, len(m.Settings))
	for key, value := range m.Settings {
		m.settings[plain(key)] = settingText(value)
	}
	return nil
}

// settingText is a setting as text, whether it was told as a text, a number or else.
func settingText(value json.RawMessage) string {
	var text string
	if json.Unmarshal(value, &text) == nil {
		return plain(text)
	}
	return plain(string(value))
}

func (m *message) count() error {
	switch {
	case m.Records == nil || m.Bytes == nil:
		return fmt.Errorf("did not count records and bytes in its %s", m.Type)
	case *m.Records < 0 || *m.Bytes < 0 || m.Rewinds < 0 || m.Errors < 0:
		return errors.New("counted less than nothing")
	}
	return nil
}

func (m *message) problem() error {
	m.Message = plain(m.Message)
	if m.Message == "" {
		return errors.New("told an error without a message")
	}
	return nil
}

func (m *message) end() error {
	if err := m.count(); err != nil {
		return err
	}
	if m.Sum != nil {
		sum, err := strconv.ParseUint(*m.Sum, 10, 64)
		if err != nil {
			return errors.New("told a sum that is no decimal number of 64 bits, as text")
		}
		m.sum = &sum
	}
	m.positions = make(map[int32]int64, len(m.Positions))
	for text, position := range m.Positions {
		partition, err := strconv.ParseInt(text, 10, 32)
		if err != nil || partition < 0 || position < 0 {
			return fmt.Errorf("told the position %d of the partition %q", position, plain(text))
		}
		m.positions[int32(partition)] = position
	}
	return nil
}

// plain is text without control characters, bounded.
func plain(text string) string {
	if len(text) > 4*maxText { // bytes of a character, at most
		text = text[:4*maxText]
	}
	text = strings.TrimSpace(term.Printable(strings.ToValidUTF8(text, "�")))
	if runes := []rune(text); len(runes) > maxText {
		return string(runes[:maxText-1]) + "…"
	}
	return text
}

// quote is the beginning of a line in quotes.
func quote(line []byte) string {
	const shown = 120
	text := []rune(plain(string(line)))
	if len(text) > shown {
		text = append(text[:shown-1], '…')
	}
	return "“" + string(text) + "”"
}
