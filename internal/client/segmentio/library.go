// Package segmentio puts segmentio/kafka-go behind the client interface.
//
// Options with properties in Kafka's spelling enter; a consumer or producer of
// pure Go leaves. properties.go is the table that maps the properties onto
// kafka-go's configuration, profiles.go the presets with their reasons.
//
// A consumer has a kafka.Reader for each partition. A member of a group has them
// too, for the partitions of a kafka.Generation: a Reader with a GroupID neither
// tells of its assignments nor keeps records of a revoked partition back, so what
// it commits could not be what was handed out.
//
// What is set in every profile, because the workload needs it: fetch.max.wait.ms of
// 3000 (10000 by default), of which a broker may hold a fetch for 2000, so that a
// session that is over is known within seconds; members commit by
// auto.commit.interval.ms, 5000 as in Java; a Reader does not ask for its lag
// beside (a connection and two requests a minute for each partition); a Writer is
// asynchronous, asks for the metadata of its topic alone, and waits for all
// acknowledgements, where kafka-go's zero value waits for none; and the partition
// of a record is the one that the workload chose.
//
// What kafka-go does by itself and cannot be changed: its consumers ask for
// metadata in the form by which a broker creates a missing topic, if
// auto.create.topics.enable allows that; and it never authenticates again on a
// living connection (KIP-368), so that a broker ends the connection with the
// session, and a new one is made.
package segmentio

import "redline/internal/client"

// Library makes kafka-go clients.
var Library client.Library = library{}

type library struct{}

var _ client.Lighter = library{}

const name = "segmentio"

func (library) Name() string { return name }

func (library) Version() string {
	return "kafka-go " + client.BuiltVersion("github.com/segmentio/kafka-go")
}

// Lighter says what kafka-go leaves out.
func (library) Lighter(workload string) []string {
	switch workload {
	case "consume":
		return []string{
			"does not check the CRC of batches",
			"does not know transactions: it hands out aborted and control records like any other",
		}
	case "produce":
		return []string{"has no idempotence: a retry may append twice"}
	}
	return nil
}

// profiled is the profile with the properties over it.
func profiled(kind client.Side, tuned []client.Preset, o client.Options) (*draft, error) {
	profile, err := client.Presets(o.Profile, tuned)
	if err != nil {
		return nil, err
	}
	d := newDraft(kind)
	if o.ClientID != "" {
		d.clientID = o.ClientID
	}
	if err := d.apply(profile, o.Properties); err != nil {
		return nil, err
	}
	return d, d.agree()
}

// CheckConsumer takes what a member of a group can have.
func (library) CheckConsumer(o client.Options) error {
	_, err := profiled(client.Consuming|client.Grouping, consumeTuned, o)
	return err
}

func (library) CheckProducer(o client.Options) error {
	_, err := profiled(client.Producing, produceTuned, o)
	return err
}
