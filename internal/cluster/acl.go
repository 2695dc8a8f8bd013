package cluster

import (
	"errors"
	"fmt"
	"strings"

	"github.com/twmb/franz-go/pkg/kerr"
)

// Resource is what an ACL is about, in the word of kafka-acls' option.
type Resource string

// The resources that we deal with.
const (
	ResourceTopic           Resource = "topic"
	ResourceGroup           Resource = "group"
	ResourceCluster         Resource = "cluster"
	ResourceTransactionalID Resource = "transactional-id"
)

// ACL is a right that a request needs.
type ACL struct {
	// Operation is as kafka-acls spells it: Read, Write, Create, Delete,
	// Describe, DescribeConfigs, Alter, IdempotentWrite.
	Operation string
	Resource  Resource
	// Name of the topic, group or transactional id; empty for the cluster.
	Name string
}

// resources are what the protocol's codes are about.
var resources = []struct {
	code     *kerr.Error
	resource Resource
}{
	{kerr.TopicAuthorizationFailed, ResourceTopic},
	{kerr.GroupAuthorizationFailed, ResourceGroup},
	{kerr.ClusterAuthorizationFailed, ResourceCluster},
	{kerr.TransactionalIDAuthorizationFailed, ResourceTransactionalID},
}

// missingACL names the ACL that is missing, and how to add it.
func (a Attempt) missingACL(err error) error {
	user, principal := a.principal()
	for _, r := range resources {
		if !errors.Is(err, r.code) {
			continue
		}
		for _, need := range a.Needs {
			if need.Resource == r.resource {
				return notAllowed(KindNotAuthorized, err, "%s lacks the ACL %s on %s (%s): kafka-acls --add --allow-principal %s --operation %s %s",
					user, need.Operation, need.on(), r.code.Message, principal, need.Operation, need.option())
			}
		}
		return notAllowed(KindNotAuthorized, err, "%s lacks an ACL on the %s (%s). Ask who runs the cluster; those there are: kafka-acls --list --principal %s",
			user, strings.ReplaceAll(string(r.resource), "-", " "), r.code.Message, principal)
	}
	return err
}

// on is the resource in words.
func (n ACL) on() string {
	if n.Resource == ResourceCluster {
		return "the cluster"
	}
	return strings.ReplaceAll(string(n.Resource), "-", " ") + " " + printable(n.Name)
}

// option is the resource as kafka-acls takes it.
func (n ACL) option() string {
	if n.Resource == ResourceCluster {
		return "--cluster"
	}
	return fmt.Sprintf("--%s %s", n.Resource, printable(n.Name))
}

// ReadNeeds are the ACLs of a consumer of topic; group is "" for one without.
func ReadNeeds(topic, group string) []ACL {
	needs := []ACL{need("Read", ResourceTopic, topic)}
	if group != "" {
		needs = append(needs, need("Read", ResourceGroup, group))
	}
	return needs
}

// WriteNeeds are the ACLs of a producer to topic. The one on the cluster is for
// idempotence, which before Kafka 2.8 does not come with Write.
func WriteNeeds(topic string) []ACL {
	return []ACL{need("Write", ResourceTopic, topic), need("IdempotentWrite", ResourceCluster, "")}
}
