// Package segmentio puts segmentio/kafka-go behind the client interface.
package segmentio

import _ "github.com/segmentio/kafka-go"
