package plan

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"redline/result"
)

const setting2x3 = `question: ?
measure: produce
base: {partitions: 4, properties: {request.timeout.ms: 9000}}
axes: {producers: [1, 2], batch.size: [1KiB, 2KiB, 4KiB]}`

func TestSetOverridesAxesAndBase(t *testing.T) {
	for _, tt := range []struct {
		assignments []string
		axes        []result.Axis
		first       result.Setting
	}{
		{[]string{"consumers=3, 5,7"}, []result.Axis{{Name: "producers", Values: []string{"3", "5", "7"}}, {Name: "batch.size", Values: []string{"1KiB", "2KiB", "4KiB"}}},
			result.Setting{Instances: 3, Partitions: 4, Properties: map[string]string{"batch.size": "1024", "request.timeout.ms": "9000"}}},
		{[]string{"batch=64KiB", "instances=9"}, []result.Axis{{Name: "producers", Values: []string{"9"}}, {Name: "batch.size", Values: []string{"64KiB"}}},
			result.Setting{Instances: 9, Partitions: 4, Properties: map[string]string{"batch.size": "65536", "request.timeout.ms": "9000"}}},
		{[]string{"partitions=8", "request.timeout.ms=1000", "topic.segment.ms=7", "linger=2ms"}, []result.Axis{{Name: "producers", Values: []string{"1", "2"}}, {Name: "batch.size", Values: []string{"1KiB", "2KiB", "4KiB"}}},
			result.Setting{Instances: 1, Partitions: 8, Properties: map[string]string{"batch.size": "1024", "request.timeout.ms": "1000", "linger.ms": "2"}, Topic: map[string]string{"segment.ms": "7"}}},
		{[]string{"partitions=1,2"}, []result.Axis{{Name: "producers", Values: []string{"1", "2"}}, {Name: "batch.size", Values: []string{"1KiB", "2KiB", "4KiB"}}, {Name: "partitions", Values: []string{"1", "2"}}},
			result.Setting{Instances: 1, Partitions: 1, Properties: map[string]string{"batch.size": "1024", "request.timeout.ms": "9000"}}},
	} {
		q, err := Parse("f.yaml", []byte(setting2x3), asked)
		if err == nil {
			err = q.Set(tt.assignments...)
		}
		if err != nil {
			t.Error(err)
			continue
		}
		p := plan(t, q, Want{})
		if d := cmp.Diff(tt.axes, p.Axes); d != "" {
			t.Errorf("%q: %s", tt.assignments, d)
		}
		tt.first.RecordBytes, tt.first.Payload, tt.first.Keys, tt.first.Compression, tt.first.Acks, tt.first.Handler = 100, "random", "none", "none", "all", "none"
		if d := cmp.Diff(tt.first, p.Arms[0].Setting); d != "" {
			t.Errorf("%q: %s", tt.assignments, d)
		}
	}
}

func TestSetIsCheckedAsTheFileWas(t *testing.T) {
	for _, tt := range []struct {
		assignments []string
		want        string
	}{
		{[]string{"producers"}, "--set producers: this sets nothing: write it as NAME=VALUE or NAME=VALUE,VALUE"},
		{[]string{"prodcers=1", "linger.sm=1"}, `--set prodcers=1: there is no setting "prodcers"; the nearest is "producers"; a client property has a dot in its name, or stands under properties
--set linger.sm=1: franz has no property "linger.sm"; the nearest that it has is "linger.ms"`},
		{[]string{"producers=1,many"}, `--set producers=1,many: producers cannot be "many": it wants a whole number from 1 to 256`},
		{[]string{"producers="}, `--set producers=: producers cannot be "": it wants a whole number from 1 to 256`},
		{[]string{"producers=1,1"}, `--set producers=1,1: "1" stands here a second time`},
		{[]string{"fetch=1KiB,2KiB"}, "--set fetch=1KiB,2KiB: fetch changes nothing for produce, and this question measures produce: measure consume alone, or leave the axis out"},
		{[]string{"batch=1"}, `--set batch=1: franz cannot take batch.size="1": it wants a whole number of bytes from 512 to 1073741824`},
		{[]string{"fetch=1KiB"}, "--set fetch=1KiB: fetch changes nothing for produce: leave it out"},
		{[]string{"a\n\x1b[31m=1"}, `--set a\n\x1b[31m=1: there is no setting "a\n\x1b[31m"; a client property has a dot in its name, or stands under properties`},
	} {
		q, err := Parse("f.yaml", []byte(setting2x3), asked)
		if err != nil {
			t.Fatal(err)
		}
		before := plan(t, q, Want{})
		err = q.Set(tt.assignments...)
		if err == nil || err.Error() != tt.want {
			t.Errorf("%q:\n got %v\nwant %s", tt.assignments, err, tt.want)
		}
		if d := cmp.Diff(before, plan(t, q, Want{})); d != "" {
			t.Errorf("%q changed the question all the same: %s", tt.assignments, d)
		}
	}
}

func TestSetTakesAxesOfAZipTogether(t *testing.T) {
	q := parse(t, "question: ?\ncombine: zip\naxes: {consumers: [1, 2, 3], partitions: [1, 2, 3]}\npublished: {source: x, consume: [{consumers: 3, records-per-second: 9}]}")
	if err := q.Set("consumers=1,4"); err == nil {
		t.Error("axes of unequal length were taken")
	}
	if err := q.Set("consumers=1,4", "partitions=8,8"); err != nil {
		t.Error(err)
	}
	if arms := plan(t, q, Want{}).Arms; len(arms) != 2 || arms[1].Setting.Instances != 4 || arms[1].Setting.Partitions != 8 || arms[1].Published != nil {
		t.Errorf("%+v", arms)
	}
}
