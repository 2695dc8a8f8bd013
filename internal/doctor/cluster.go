package doctor

import (
	"context"
	"maps"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kmsg"

	"redline/internal/cluster"
	"redline/internal/security"
	"redline/result"
)

// Target is a cluster to ask, and what the caller knows of the way to it.
type Target struct {
	Cluster  *cluster.Cluster
	Security security.Security
	// Metrics are the URLs of the brokers' Prometheus metrics, of a cluster that
	// redline started; empty for any other.
	Metrics []string
}

const (
	// inAll bounds Cluster, each bounds one question.
	inAll = 6 * time.Second
	each  = 2 * time.Second
)

// Cluster asks what a cluster allows. It takes six seconds at most; what is not
// answered by then is unknown.
func Cluster(ctx context.Context, t Target) []result.DoctorCheck {
	ctx, cancel := context.WithTimeout(ctx, inAll)
	defer cancel()
	return ask(ctx, clusterQuestions, examine(ctx, t))
}

// NoCluster stands in the place of Cluster's checks where no cluster was named.
func NoCluster() []result.DoctorCheck {
	return []result.DoctorCheck{{
		ID: "cluster.named", Area: "Cluster", Name: "A cluster", State: result.NotHere,
		Value: "none was named", Lost: "what it allows was not asked",
		Allow: "add -b HOST:PORT, or start one with \"redline broker up\"",
	}}
}

// patient is a cluster with the answers that several questions use.
type patient struct {
	Target
	admin *kadm.Client

	// versions are of the brokers that answered, one at least unless there is an error.
	versions    kadm.BrokersApiVersions
	versionsErr error
	// meta has all topics that this user may see, with what it may do with them.
	meta    kadm.Metadata
	metaErr error
	// described is nil where the cluster does not know the request (before 2.8).
	described    *kmsg.DescribeClusterResponse
	describedErr error
}

func examine(ctx context.Context, t Target) patient {
	p := patient{Target: t, admin: t.Cluster.Admin()}
	within(ctx, func(ctx context.Context) { p.versions, p.versionsErr = versionsOf(ctx, p.admin) })
	within(ctx, func(ctx context.Context) { p.meta, p.metaErr = p.admin.Metadata(kadm.WithAuthorizedOps(ctx)) })
	within(ctx, func(ctx context.Context) {
		request := kmsg.NewPtrDescribeClusterRequest()
		request.IncludeClusterAuthorizedOperations = true
		p.described, p.describedErr = request.RequestWith(ctx, t.Cluster.Client())
	})
	return p
}

// versionsOf asks all brokers; the error is that of one when none answers.
func versionsOf(ctx context.Context, admin *kadm.Client) (kadm.BrokersApiVersions, error) {
	versions, err := admin.ApiVersions(ctx)
	maps.DeleteFunc(versions, func(_ int32, broker kadm.BrokerApiVersions) bool {
		if broker.Err != nil {
			err = broker.Err
		}
		return broker.Err != nil
	})
	if len(versions) > 0 {
		return versions, nil
	}
	return nil, err
}

// within gives what one question asks its time.
func within(ctx context.Context, asking func(context.Context)) {
	ctx, cancel := context.WithTimeout(ctx, each)
	defer cancel()
	asking(ctx)
}

var clusterQuestions = []question[patient]{
	{
		id: "cluster.id", area: "Cluster", name: "An id", look: clusterID,
		lost:  "--target cannot name this cluster, and two clusters of the same address look alike",
		allow: "every Kafka since 0.10.1 has one: ask who runs it",
	},
	{
		id: "cluster.version", area: "Cluster", name: "Version", look: version,
		lost:  "it is not recorded what was measured",
		allow: "note it by hand",
	},
	{
		id: "cluster.requests", area: "Cluster", name: "Requests that redline needs", look: requests,
		lost:  "what uses them cannot be measured",
		allow: "a newer Kafka has them",
	},
	{
		id: "cluster.features", area: "Cluster", name: "Features", look: features,
		lost:  "which feature levels are in force (metadata, transactions, groups) is not recorded",
		allow: "Kafka names them since 2.7, in KRaft mode",
	},
	{
		id: "cluster.controller", area: "Cluster", name: "Controllers", look: controllers,
		lost:  "which nodes decide about topics and leaders is not known",
		allow: "an ACL for Describe on the cluster",
	},
	{
		id: "cluster.brokers", area: "Cluster", name: "Several brokers", look: brokers,
		lost:  "with one broker there is no replication, and what it costs cannot be measured",
		allow: "\"redline broker up --kafka local:3\" starts three",
	},
	{
		id: "cluster.racks", area: "Cluster", name: "Racks", look: racks,
		lost:  "consumers cannot read from the closest replica",
		allow: "set broker.rack and replica.selector.class on the brokers",
	},
	{
		id: "cluster.security", area: "Cluster", name: "Nobody can listen", look: encrypted,
		lost:  "whoever is between here and the brokers can read records and change them",
		allow: "give the port of a TLS listener with -b, and --tls (or --tls-ca FILE)",
	},
	{
		id: "cluster.principal", area: "Cluster", name: "A user of our own", look: principal,
		lost:  "we are ANONYMOUS: quotas and ACLs cannot be given to redline alone",
		allow: "--sasl-mechanism and --sasl-user, or --tls-cert and --tls-key",
	},
	{
		id: "acl.cluster", area: "Permissions", name: "Create topics", look: clusterOperations,
		lost:  "limit, run and aa create topics of their own: without, only topics that are there can be measured, unless an ACL for Create on a topic prefix allows more, which is not seen from here",
		allow: "kafka-acls --add --allow-principal User:NAME --operation Create --cluster",
	},
	{
		id: "acl.topics", area: "Permissions", name: "Read and write topics", look: topicOperations,
		lost:  "those topics cannot be consumed from, or produced to",
		allow: "kafka-acls --add --allow-principal User:NAME --operation Read --operation Write --topic NAME",
	},
	{
		id: "acl.groups", area: "Permissions", name: "Read with groups", look: groupOperations,
		lost:  "consumers in those groups are refused",
		allow: "kafka-acls --add --allow-principal User:NAME --operation Read --group NAME",
	},
	{
		id: "acl.configs", area: "Permissions", name: "Read settings of brokers", look: brokerConfigs,
		lost:  "which settings of the brokers hold the rate cannot be told",
		allow: "kafka-acls --add --allow-principal User:NAME --operation DescribeConfigs --cluster",
	},
	{
		id: "acl.list", area: "Permissions", name: "Read ACLs", look: acls,
		lost:  "what is not allowed shows only when it is refused",
		allow: "kafka-acls --add --allow-principal User:NAME --operation Describe --cluster",
	},
	{
		id: "cluster.quotas", area: "Limits and metrics", name: "No client quotas", look: quotas,
		lost:  "brokers hold back clients that exceed theirs: the rate found is the quota's",
		allow: "measure as a user without, or ask for it: kafka-configs --alter --delete-config",
	},
	{
		id: "cluster.throttling", area: "Limits and metrics", name: "No throttling now", look: throttling,
		lost:  "the brokers hold us back already: a quota is exceeded",
		allow: "see the quotas above; wait until the window of the quota has passed",
	},
	{
		id: "cluster.metrics", area: "Limits and metrics", name: "Metrics of the brokers", look: metrics,
		lost:  "times inside the broker (queues, handlers, disk, replication) stay hidden",
		allow: "see the log of the broker: its JMX exporter does not answer",
	},
}
