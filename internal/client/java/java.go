// Package java measures Kafka's own performance tools.
//
// A task enters; a Java process that does it leaves, with what it counts: the class
// ConsumerPerformance, ShareConsumerPerformance or ProducerPerformance of the Apache
// Kafka that a local broker runs too, started without their shell scripts, with the
// flags that the scripts give to Java. arguments.go is how a task is put to a tool,
// lines.go how what it prints is read, process.go its life, group.go the groups that it
// joins, profiles.go the presets with their reasons.
//
// What is set in every profile: the client id, where no property does; and that the
// client pushes no metrics to the broker (KIP-714), so that only the workload's requests
// are on the wire. Everything goes into a file that nobody else may read, in a folder
// that goes with the process, also when we are killed.
//
// The tools know neither partitions nor offsets to start at. A consumer joins a fresh
// group, named redline-perf- and something random, and reads from the beginning of the
// log as many records as the task has between Starts and Ends; then it ends by itself,
// whether Once is asked or not, since no tool can rewind. The group is deleted at Stop.
package java

import (
	"context"
	"fmt"
	"slices"

	"redline/internal/broker"
	"redline/internal/client"
)

// Tools is Kafka's ConsumerPerformance and ProducerPerformance, with one consumer or
// one producer.
//
// What a stopped producer has sent is open by more than its lines tell: those records
// are all acknowledged, but it is ended before it could tell of those since its last
// line, or of those that the broker has and has not acknowledged. So what has landed is
// at least Told.Records, and at most as much more as an interval of reports and
// buffer.memory hold.
//
// A consumer that ends by itself has read what was asked, which the offsets that its group
// has committed must bear out: that is Told.Records. Records, Bytes, Told.Bytes and the
// rate are those of its lines: the last one leaves out what was read after it, and bytes
// include keys and are rounded to a ten-thousandth of a mebibyte. A rate is told where the
// lines leave out a tenth of the records at most.
var Tools client.External = external{"java", map[string]*tool{"consume": &consumer, "produce": &producer}}

// Share is Kafka's ShareConsumerPerformance, which reads as members of a share group, as
// many as there are Instances. It needs a cluster of Kafka 4.1 or later that has share
// groups switched on. They deliver again what is not acknowledged in time, and the tool
// counts it again.
var Share client.External = external{"java-share", map[string]*tool{"consume": &shareConsumer}}

// external puts Kafka's tools behind the interface.
type external struct {
	name string
	// tools are those that do a workload, by its name.
	tools map[string]*tool
}

func (x external) Name() string { return x.name }

func (external) Version() string { return "Apache Kafka " + broker.DefaultVersion + " tools" }

func (x external) Lighter(workload string) []string {
	if t, ok := x.tools[workload]; ok {
		return slices.Clone(t.lighter)
	}
	return nil
}

func (x external) Check(task client.Task) error {
	t, err := x.tool(task)
	if err != nil {
		return err
	}
	if _, err := t.draft(x.name, task); err != nil {
		return err
	}
	if err := task.Security.CheckJava(); err != nil {
		return unable(err)
	}
	if err := broker.CheckTools(); err != nil {
		return unable(err)
	}
	return nil
}

// tool is the one for a task, if it can do what is asked.
func (x external) tool(task client.Task) (*tool, error) {
	t, ok := x.tools[task.Workload]
	switch {
	case !ok:
		return nil, client.Cannot(x.name, task.Workload, "take another client, such as java")
	case task.Instances > 1 && !t.several:
		return nil, client.Cannot(x.name, fmt.Sprintf("run %d instances: Kafka's %s is one in a process", task.Instances, t.class), "ask for one")
	case task.Handler != "" && task.Handler != "none":
		return nil, client.Cannot(x.name, fmt.Sprintf("do %q with each record: Kafka's tool does nothing with them", task.Handler), "take the handler none")
	case task.Workload == "produce" && task.RecordSize < 1:
		return nil, client.Cannot(x.name, "send empty records", "ask for at least 1 byte")
	}
	return t, nil
}

func (x external) Start(ctx context.Context, task client.Task) (client.Process, error) {
	t, err := x.tool(task)
	if err != nil {
		return nil, err
	}
	d, err := t.draft(x.name, task)
	if err != nil {
		return nil, err
	}
	if err := task.Security.CheckJava(); err != nil {
		return nil, unable(err)
	}
	set, err := broker.Tools(ctx, nil)
	if err != nil {
		return nil, unable(err)
	}
	d.java = slices.Concat([]string{set.Java}, machineFlags, placeFlags, []string{"-cp", set.Classpath})
	p, err := start(ctx, d)
	if err != nil {
		return nil, fmt.Errorf("start Kafka's %s: %w", t.class, err)
	}
	return p, nil
}

// unable wraps ErrCannot beside err, whose sentence stays as it is.
func unable(err error) error { return inability{err} }

type inability struct{ error }

func (e inability) Unwrap() []error { return []error{e.error, client.ErrCannot} }
