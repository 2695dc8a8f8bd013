// Package confluent puts confluent-kafka-go (librdkafka) behind the client
// interface. It needs cgo; without it the package is empty.
//
// Options with properties in librdkafka's or Java's spelling enter; a consumer
// or producer leaves. profiles.go holds the presets with their reasons.
package confluent
