package ladder

import (
	"errors"
	"strings"
	"testing"

	"redline/internal/client"
)

func TestRungsAreFoundByTheirNames(t *testing.T) {
	for _, workload := range []string{consume, produce} {
		for i, r := range Rungs(workload) {
			found, ok := Find(workload, r.Name)
			if !ok || found != r || r.Workload != workload || r.Adds == "" || stepOf(workload, r.Name) != step(i) {
				t.Errorf("rung %+v of %s is found as %+v", r, workload, found)
			}
			if err := Check(workload, r.Name, nil); err != nil {
				t.Errorf("%s: %v", r.Name, err)
			}
		}
	}
	if _, ok := Find(consume, "socket"); !ok {
		t.Error("the socket stands beside the ladder of consuming")
	}
	if _, ok := Find(produce, "socket"); ok {
		t.Error("the socket is no rung of producing")
	}
	for _, r := range Rungs(consume) {
		if r.Name == "socket" {
			t.Error("the socket is among the rungs")
		}
	}
}

func TestStepsAreInTheOrderOfTheRungs(t *testing.T) {
	for name, want := range map[string]step{"fetch": fetching, "crc": checking, "decompress": inflating, "decode": decoding, "account": accounting, "group": grouping, "handler": handling} {
		if at := stepOf(consume, name); at != want {
			t.Errorf("%s is step %d, not %d", name, at, want)
		}
	}
	for name, want := range map[string]step{"resend": resending, "build": building, "stamp": stamping, "compress": deflating, "idempotent": sequencing, "all": replicating} {
		if at := stepOf(produce, name); at != want {
			t.Errorf("%s is step %d, not %d", name, at, want)
		}
	}
}

func TestWhatCannotBeIsSaid(t *testing.T) {
	for _, c := range []struct {
		workload, rung string
		properties     map[string]string
		says           string
		property       bool
	}{
		{"walk", "fetch", nil, "consume or produce", false},
		{consume, "decod", nil, `"decode"`, false},
		{consume, "build", nil, "there is no rung", false},
		{consume, "fetch", map[string]string{"fetch.max.byte": "1"}, `"fetch.max.bytes"`, true},
		{consume, "fetch", map[string]string{"fetch.max.bytes": "1.5"}, "whole number", true},
		{consume, "fetch", map[string]string{"fetch.max.bytes": "0"}, "whole number", true},
		{consume, "fetch", map[string]string{"max.partition.fetch.bytes": "99999999999999999999"}, "whole number", true},
		{consume, "fetch", map[string]string{"batch.size": "1"}, "no property", true},
		{consume, "fetch", map[string]string{"group.id": "g"}, "group", true},
		{produce, "build", map[string]string{"fetch.max.bytes": "1"}, "no property", true},
		{produce, "build", map[string]string{"compression.type": "brotli"}, "zstd", true},
		{produce, "build", map[string]string{"acks": "all"}, "1 on rung build", true},
		{produce, "all", map[string]string{"acks": "1"}, "all on rung all", true},
		{produce, "idempotent", map[string]string{"enable.idempotence": "false"}, "true on rung idempotent", true},
		{produce, "build", map[string]string{"max.in.flight.requests.per.connection": "6"}, "1 to 5", true},
	} {
		err := Check(c.workload, c.rung, c.properties)
		if err == nil || !strings.Contains(err.Error(), c.says) || errors.Is(err, client.ErrProperty) != c.property {
			t.Errorf("%s %s %v: %v", c.workload, c.rung, c.properties, err)
		}
	}
	for rung, acks := range map[string]string{"resend": "1", "stamp": "1", "all": "all"} {
		if err := Check(produce, rung, map[string]string{"acks": acks, "compression.type": "zstd"}); err != nil {
			t.Errorf("%s with acks=%s: %v", rung, acks, err)
		}
	}
}

func TestConnectionsAreDealtFairly(t *testing.T) {
	led := []leader{{id: 1, partitions: []int32{0, 3, 6}}, {id: 2, partitions: []int32{1}}, {id: 3, partitions: []int32{2, 4, 5, 7}}}
	for connections, want := range map[int]map[int32]int{
		1: {1: 1, 2: 1, 3: 1}, 4: {1: 1, 2: 1, 3: 2}, 5: {1: 2, 2: 1, 3: 2}, 8: {1: 3, 2: 1, 3: 4}, 100: {1: 3, 2: 1, 3: 4},
	} {
		each, seen := map[int32]int{}, map[int32]bool{}
		for _, s := range deal(led, connections) {
			each[s.leader.id]++
			if len(s.partitions) == 0 {
				t.Errorf("%d connections: one is without a partition", connections)
			}
			for _, p := range s.partitions {
				if seen[p] {
					t.Errorf("%d connections: partition %d is dealt twice", connections, p)
				}
				seen[p] = true
			}
		}
		if len(seen) != 8 {
			t.Errorf("%d connections: %d partitions are dealt", connections, len(seen))
		}
		for id, n := range want {
			if each[id] != n {
				t.Errorf("%d connections: broker %d gets %d, not %d", connections, id, each[id], n)
			}
		}
	}
}
