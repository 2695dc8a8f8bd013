package batch

import (
	"fmt"
	"strings"
)

// Codec is how the records of a batch are compressed, as Kafka numbers it.
type Codec uint8

// The codecs of Kafka (compression.type).
const (
	None Codec = iota
	Gzip
	Snappy
	LZ4
	Zstd
)

var codecNames = []string{"none", "gzip", "snappy", "lz4", "zstd"}

// String is Kafka's name for it.
func (c Codec) String() string {
	if int(c) < len(codecNames) {
		return codecNames[c]
	}
	return fmt.Sprintf("codec %d", uint8(c))
}

// ParseCodec knows a codec by Kafka's name for it.
func ParseCodec(name string) (Codec, error) {
	for c, known := range codecNames {
		if name == known {
			return Codec(c), nil
		}
	}
	return None, fmt.Errorf("compression %q does not exist: take one of %s", name, strings.Join(codecNames, ", "))
}

// unknown is the error for a codec that Kafka does not have (yet).
func (c Codec) unknown() error {
	return fmt.Errorf("%s does not exist: the codecs known here are %s", c, strings.Join(codecNames, ", "))
}
