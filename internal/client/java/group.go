package java

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"redline/internal/client"
)

const (
	// groupDial bounds a connection that is made for a group, groupWait all that is done
	// with one.
	groupDial, groupWait = 3 * time.Second, 10 * time.Second
	// again is how long to wait before a group is looked at again.
	again = 100 * time.Millisecond
)

// ErrGroupLeft is wrapped by the error of a Stop that has ended the tool and could not
// delete the group it made. The broker forgets an empty consumer group some days later,
// by offsets.retention.minutes.
var ErrGroupLeft = errors.New("the group is left")

// group is the one that a tool joins. A nil group is none.
type group struct {
	name  string
	share bool
	kgo   *kgo.Client
	admin *kadm.Client
}

// newGroup makes what has to be there before the tool joins.
func newGroup(ctx context.Context, d *draft) (*group, error) {
	opts := append([]kgo.Opt{kgo.SeedBrokers(d.task.Brokers...), kgo.ClientID("redline"), kgo.DisableClientMetrics()},
		d.task.Security.FranzOptions(groupDial)...)
	cl, err := kgo.NewClient(opts...)
	if err != nil {
		return nil, fmt.Errorf("connect to the brokers: %w", err)
	}
	g := &group{name: d.groupID, share: d.tool.share, kgo: cl, admin: kadm.NewClient(cl)}
	if !g.share {
		return g, nil
	}
	ctx, cancel := context.WithTimeout(ctx, groupWait)
	defer cancel()
	if err := g.checkShare(ctx, d.name); err != nil {
		cl.Close()
		return nil, err
	}
	if err := g.configure(ctx, kmsg.IncrementalAlterConfigOpSet); err != nil {
		cl.Close()
		return nil, fmt.Errorf("let the share group %s start at the beginning of the log: %w", g.name, err)
	}
	return g, nil
}

// checkShare looks whether the cluster has share groups, and has them switched on.
func (g *group) checkShare(ctx context.Context, library string) error {
	versions, err := g.admin.ApiVersions(ctx)
	if err != nil {
		return fmt.Errorf("ask the brokers for what they can: %w", err)
	}
	for _, v := range versions {
		if v.Err != nil {
			return fmt.Errorf("ask a broker for what it can: %w", v.Err)
		}
		for _, feature := range v.Raw().FinalizedFeatures {
			if feature.Name == "share.version" && feature.MaxVersionLevel > 0 {
				return nil
			}
		}
	}
	return client.Cannot(library, "read here: share groups are not switched on", "take a cluster of Kafka 4.1 or later, and switch them on with: kafka-features.sh upgrade --feature share.version=1")
}

// configure sets, or deletes, where the share group starts. A share group has no such
// property of its members.
func (g *group) configure(ctx context.Context, op kmsg.IncrementalAlterConfigOp) error {
	value := "earliest"
	config := kmsg.NewIncrementalAlterConfigsRequestResourceConfig()
	config.Name, config.Op, config.Value = "share.auto.offset.reset", op, &value
	resource := kmsg.NewIncrementalAlterConfigsRequestResource()
	resource.ResourceType, resource.ResourceName = kmsg.ConfigResourceTypeGroupConfig, g.name
	resource.Configs = append(resource.Configs, config)
	request := kmsg.NewPtrIncrementalAlterConfigsRequest()
	request.Resources = append(request.Resources, resource)
	response, err := request.RequestWith(ctx, g.kgo)
	if err != nil {
		return err
	}
	for _, r := range response.Resources {
		if err := kerr.ErrorForCode(r.ErrorCode); err != nil {
			return err
		}
	}
	return nil
}

// check compares what a consumer has committed at its end with what was asked: the tool
// says no more than that it has read as many.
func (g *group) check(ctx context.Context, d *draft) error {
	if g == nil || g.share || d.properties["enable.auto.commit"] == "false" {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, groupWait)
	defer cancel()
	committed, err := g.admin.FetchOffsets(ctx, g.name)
	if err != nil {
		return fmt.Errorf("look how far the group %s has come: %w", g.name, err)
	}
	var read int64
	for partition := range d.task.Ends {
		if at, ok := committed.Lookup(d.task.Topic, partition); ok && at.At > 0 {
			read += at.At - d.task.Starts[partition]
		}
	}
	if asked := recordsOf(d.task); read != asked {
		return fmt.Errorf("Kafka's %s ended as if all were read, but its group has committed %d of %d records of %s", d.tool.class, read, asked, d.task.Topic) //nolint:staticcheck // a name has a capital
	}
	return nil
}

// remove deletes the group, after its members have left it, and closes what is open.
func (g *group) remove(ctx context.Context) error {
	if g == nil {
		return nil
	}
	defer g.kgo.Close()
	ctx, cancel := context.WithTimeout(ctx, groupWait)
	defer cancel()
	err := g.delete(ctx)
	if err == nil && g.share {
		err = g.configure(ctx, kmsg.IncrementalAlterConfigOpDelete)
	}
	if err != nil {
		return fmt.Errorf("delete the group %s after reading: %w (%w)", g.name, err, ErrGroupLeft)
	}
	return nil
}

// delete tries until the group has gone. A tool that was ended has not left it, and the
// broker would keep its member until the session is over.
func (g *group) delete(ctx context.Context) error {
	for {
		responses, err := g.admin.DeleteGroups(ctx, g.name)
		if err == nil {
			err = responses[g.name].Err
		}
		switch {
		case err == nil, errors.Is(err, kerr.GroupIDNotFound):
			return nil
		case !errors.Is(err, kerr.NonEmptyGroup):
			return err
		}
		if err := g.dismiss(ctx); err != nil {
			return err
		}
		select {
		case <-time.After(again):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// dismiss makes every member leave.
func (g *group) dismiss(ctx context.Context) error {
	if g.share {
		return g.dismissShare(ctx)
	}
	described, err := g.admin.DescribeGroups(ctx, g.name)
	if err != nil {
		return err
	}
	request := kmsg.NewPtrLeaveGroupRequest()
	request.Group = g.name
	for _, m := range described[g.name].Members {
		member := kmsg.NewLeaveGroupRequestMember()
		member.MemberID = m.MemberID
		request.Members = append(request.Members, member)
	}
	if len(request.Members) == 0 {
		return g.dismissConsumers(ctx)
	}
	_, err = request.RequestWith(ctx, g.kgo)
	return err
}

// dismissConsumers is dismiss for a group of the protocol "consumer" (KIP-848).
func (g *group) dismissConsumers(ctx context.Context) error {
	request := kmsg.NewPtrConsumerGroupDescribeRequest()
	request.Groups = []string{g.name}
	response, err := request.RequestWith(ctx, g.kgo)
	if err != nil {
		return err
	}
	for _, described := range response.Groups {
		for _, m := range described.Members {
			leave := kmsg.NewPtrConsumerGroupHeartbeatRequest()
			leave.Group, leave.MemberID, leave.MemberEpoch = g.name, m.MemberID, -1
			if _, err := leave.RequestWith(ctx, g.kgo); err != nil {
				return err
			}
		}
	}
	return nil
}

// dismissShare is dismiss for a share group (KIP-932).
func (g *group) dismissShare(ctx context.Context) error {
	request := kmsg.NewPtrShareGroupDescribeRequest()
	request.GroupIDs = []string{g.name}
	response, err := request.RequestWith(ctx, g.kgo)
	if err != nil {
		return err
	}
	for _, described := range response.Groups {
		for _, m := range described.Members {
			leave := kmsg.NewPtrShareGroupHeartbeatRequest()
			leave.GroupID, leave.MemberID, leave.MemberEpoch = g.name, m.MemberID, -1
			if _, err := leave.RequestWith(ctx, g.kgo); err != nil {
				return err
			}
		}
	}
	return nil
}
