package doctor

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Which operations we may do is told by bits in answers that describe (KIP-430): no
// operation is tried.

// clusterOperations are those on the cluster itself. A cluster that we may not
// describe does not tell them.
func clusterOperations(_ context.Context, p patient) finding {
	operations := p.meta.AuthorizedOperations // where DescribeCluster is not known
	switch {
	case p.describedErr == nil && p.described.ErrorCode == 0:
		operations = kadm.DecodeACLOperations(p.described.ClusterAuthorizedOperations)
	case len(operations) == 0 && p.describedErr != nil:
		return unanswered(p.describedErr)
	case len(operations) == 0:
		return unanswered(kerr.ErrorForCode(p.described.ErrorCode))
	}
	if len(operations) == 0 {
		return no("the cluster does not tell, as Describe on it is not allowed")
	}
	return yesIf(slices.Contains(operations, kmsg.ACLOperationCreate), "on the cluster: %s", named(operations))
}

// named lists operations as kafka-acls spells them.
func named(operations []kadm.ACLOperation) string {
	names := make([]string, len(operations))
	for i, operation := range operations {
		for _, word := range strings.Split(operation.String(), "_") {
			names[i] += word[:1] + strings.ToLower(word[1:])
		}
	}
	return strings.Join(names, ", ")
}

func topicOperations(_ context.Context, p patient) finding {
	if p.metaErr != nil {
		return unanswered(p.metaErr)
	}
	var all, lacking []string
	told := false
	for _, topic := range p.meta.Topics.Sorted() {
		if topic.IsInternal {
			continue
		}
		all = append(all, topic.Topic)
		told = told || len(topic.AuthorizedOperations) > 0
		if lack := lackOf(topic.AuthorizedOperations, kmsg.ACLOperationRead, kmsg.ACLOperationWrite); lack != "" {
			lacking = append(lacking, topic.Topic+" ("+lack+")")
		}
	}
	return reachable("topic", all, lacking, told)
}

// maxGroups are described, of those that there are.
const maxGroups = 50

func groupOperations(ctx context.Context, p patient) (f finding) {
	within(ctx, func(ctx context.Context) {
		listed, err := p.admin.ListGroups(ctx)
		if err != nil && len(listed) == 0 {
			f = unanswered(err)
			return
		}
		names := listed.Groups()
		f = describedGroups(ctx, p, names[:min(maxGroups, len(names))])
	})
	return f
}

func describedGroups(ctx context.Context, p patient, names []string) finding {
	if len(names) == 0 {
		return reachable("group", nil, nil, false)
	}
	// Also with an error, which is about some of them.
	groups, _ := p.admin.DescribeGroups(ctx, names...)
	var all, lacking []string
	told := false
	for _, name := range groups.Names() {
		group := groups[name]
		if group.Err != nil {
			continue
		}
		all = append(all, name)
		told = told || len(group.AuthorizedOperations) > 0
		if lack := lackOf(group.AuthorizedOperations, kmsg.ACLOperationRead); lack != "" {
			lacking = append(lacking, name+" ("+lack+")")
		}
	}
	return reachable("group", all, lacking, told)
}

// lackOf names those of the wanted operations that are not allowed.
func lackOf(allowed []kadm.ACLOperation, wanted ...kadm.ACLOperation) string {
	wanted = slices.DeleteFunc(wanted, func(o kadm.ACLOperation) bool { return slices.Contains(allowed, o) })
	if len(wanted) == 0 {
		return ""
	}
	return "no " + named(wanted)
}

// reachable judges things of one kind that we see, and those of them that we may not
// use. told says that the cluster tells operations at all.
func reachable(kind string, all, lacking []string, told bool) finding {
	switch {
	case len(all) == 0:
		f := unknown("there is no %s, or none that we may see", kind)
		f.lost = "what we may do shows only with one that is there"
		return f
	case !told:
		return unknown("the cluster does not tell (Kafka does since 2.3)")
	case len(lacking) == 0:
		return yes("all of the %s we see", counted(len(all), kind))
	}
	const most = 3
	more := ""
	if n := len(lacking) - most; n > 0 {
		lacking, more = lacking[:most], fmt.Sprintf(" and %d more", n)
	}
	return no("of the %s we see, not %s%s", counted(len(all), kind), strings.Join(lacking, ", "), more)
}

func counted(n int, kind string) string {
	if n == 1 {
		return "1 " + kind
	}
	return fmt.Sprintf("%d %ss", n, kind)
}

// brokerConfigs asks one broker for its settings.
func brokerConfigs(ctx context.Context, p patient) (f finding) {
	id := p.Cluster.Brokers()[0].ID
	within(ctx, func(ctx context.Context) {
		answer, err := p.admin.DescribeBrokerConfigs(ctx, id)
		if err == nil && len(answer) > 0 {
			err = answer[0].Err
		}
		switch {
		case refused(err):
			f = no("refused: %s", kerrOf(err))
		case err != nil:
			f = unanswered(err)
		case len(answer) == 0:
			f = unknown("broker %d says nothing", id)
		default:
			f = yes("broker %d tells %d", id, len(answer[0].Configs))
		}
	})
	return f
}

// acls asks for those on the cluster, which are few.
func acls(ctx context.Context, p patient) finding {
	request := kmsg.NewPtrDescribeACLsRequest()
	request.ResourceType = kmsg.ACLResourceTypeCluster
	request.ResourcePatternType = kmsg.ACLResourcePatternTypeAny
	request.Operation, request.PermissionType = kmsg.ACLOperationAny, kmsg.ACLPermissionTypeAny
	var answer *kmsg.DescribeACLsResponse
	var err error
	within(ctx, func(ctx context.Context) { answer, err = request.RequestWith(ctx, p.Cluster.Client()) })
	if err == nil {
		err = kerr.ErrorForCode(answer.ErrorCode)
	}
	switch {
	case errors.Is(err, kerr.SecurityDisabled):
		return yes("there are none: the brokers have no authorizer, everybody may do everything")
	case refused(err):
		return no("refused: %s", kerrOf(err))
	case err != nil:
		return unanswered(err)
	}
	return yes("%s on the cluster itself", counted(countACLs(answer), "ACL"))
}

func countACLs(answer *kmsg.DescribeACLsResponse) (n int) {
	for _, resource := range answer.Resources {
		n += len(resource.ACLs)
	}
	return n
}

// quotas lists those of all users and clients: which of them is ours depends on the
// principal that the broker makes of us.
func quotas(ctx context.Context, p patient) (f finding) {
	within(ctx, func(ctx context.Context) {
		all, err := p.admin.DescribeClientQuotas(ctx, false, nil)
		switch {
		case refused(err):
			f = unknown("refused: %s", kerrOf(err))
			f.lost = "whether a quota holds the rate shows only when brokers throttle us"
			f.allow = "kafka-acls --add --allow-principal User:NAME --operation DescribeConfigs --cluster"
		case err != nil:
			f = unanswered(err)
		default:
			f = quotasOf(all)
		}
	})
	return f
}

func quotasOf(all kadm.DescribedClientQuotas) finding {
	if len(all) == 0 {
		return yes("the cluster sets none")
	}
	const most = 3
	var shown []string
	for _, quota := range all[:min(most, len(all))] {
		var values []string
		for _, v := range quota.Values {
			values = append(values, v.Key+"="+strconv.FormatFloat(v.Value, 'f', -1, 64))
		}
		shown = append(shown, quota.Entity.String()+" "+strings.Join(values, ", "))
	}
	more := ""
	if n := len(all) - most; n > 0 {
		more = fmt.Sprintf("; and %d more", n)
	}
	return no("%s%s", strings.Join(shown, "; "), more)
}
