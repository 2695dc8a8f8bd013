package doctor

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"

	"redline/internal/cluster"
	"redline/internal/secret"
	"redline/internal/security"
	"redline/result"
)

func fake(t *testing.T, opts ...kfake.Opt) *kfake.Cluster {
	t.Helper()
	k, err := kfake.NewCluster(append([]kfake.Opt{kfake.NumBrokers(1), kfake.ClusterID("fake-cluster-id")}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(k.Close)
	return k
}

// target connects to k.
func target(t *testing.T, k *kfake.Cluster, s security.Security) Target {
	t.Helper()
	c, err := cluster.Connect(t.Context(), cluster.Config{Brokers: k.ListenAddrs(), Security: s, Timeout: 5 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return Target{Cluster: c, Security: s}
}

// plain is a connection as a user.
func plain(user, password string) security.Security {
	return security.Security{SASL: &security.SASL{Mechanism: security.Plain, User: user, Password: secret.New(password)}}
}

// states maps the ids of checks to checks.
func states(checks []result.DoctorCheck) map[string]result.DoctorCheck {
	all := map[string]result.DoctorCheck{}
	for _, c := range checks {
		all[c.ID] = c
	}
	return all
}

// hold fails unless each check has the state and the text that stand behind its id.
func hold(t *testing.T, checks []result.DoctorCheck, want map[string][2]string) {
	t.Helper()
	all := states(checks)
	for id, w := range want {
		if c := all[id]; string(c.State) != w[0] || !strings.Contains(c.Value, w[1]) {
			t.Errorf("%s is %s, %q; want %s with %q", id, c.State, c.Value, w[0], w[1])
		}
	}
}

func TestAnOpenClusterAllowsAll(t *testing.T) {
	k := fake(t, kfake.NumBrokers(3), kfake.SeedTopics(1, "a", "b"))
	checks := Cluster(t.Context(), target(t, k, security.Security{}))
	if len(checks) != len(clusterQuestions) {
		t.Errorf("%d checks of %d", len(checks), len(clusterQuestions))
	}
	hold(t, checks, map[string][2]string{
		"cluster.id":         {"yes", "fake-cluster-id"},
		"cluster.version":    {"yes", "by the requests"},
		"cluster.requests":   {"yes", "Produce "},
		"cluster.controller": {"yes", "answers for the controller"},
		"cluster.brokers":    {"yes", "3"},
		"cluster.security":   {"yes", "stays on this machine"},
		"cluster.principal":  {"no", "ANONYMOUS, by PLAINTEXT"},
		"acl.cluster":        {"yes", "Create"},
		"acl.topics":         {"yes", "all of the 2 topics"},
		"acl.groups":         {"unknown", "no group"},
		"acl.configs":        {"yes", "tells"},
		"cluster.quotas":     {"yes", "sets none"},
		"cluster.throttling": {"yes", ""},
		"cluster.metrics":    {"not here", ""},
	})
}

func TestAUserWithFewACLsIsToldWhatIsMissing(t *testing.T) {
	allow := func(resource kmsg.ACLResourceType, name string, operation kmsg.ACLOperation) kfake.ACL {
		return kfake.ACL{Resource: resource, Name: name, Pattern: kmsg.ACLResourcePatternTypeLiteral, Operation: operation, Allow: true}
	}
	k := fake(t, kfake.EnableSASL(), kfake.EnableACLs(), kfake.SeedTopics(1, "both", "reads", "hidden"),
		kfake.Superuser("PLAIN", "admin", "admin"),
		kfake.User("PLAIN", "poor", "poor",
			allow(kmsg.ACLResourceTypeTopic, "both", kmsg.ACLOperationRead), allow(kmsg.ACLResourceTypeTopic, "both", kmsg.ACLOperationWrite),
			allow(kmsg.ACLResourceTypeTopic, "reads", kmsg.ACLOperationRead)))
	hold(t, Cluster(t.Context(), target(t, k, plain("poor", "poor"))), map[string][2]string{
		"cluster.principal": {"yes", "user poor, by PLAIN"},
		"acl.cluster":       {"no", "Describe on it is not allowed"},
		"acl.topics":        {"no", "of the 2 topics we see, not reads (no Write)"},
		"acl.configs":       {"no", "CLUSTER_AUTHORIZATION_FAILED"},
		"acl.list":          {"no", "CLUSTER_AUTHORIZATION_FAILED"},
		"cluster.quotas":    {"unknown", "CLUSTER_AUTHORIZATION_FAILED"},
	})
	hold(t, Cluster(t.Context(), target(t, k, plain("admin", "admin"))), map[string][2]string{
		"acl.cluster": {"yes", "Create"},
		"acl.topics":  {"yes", "all of the 3 topics"},
		"acl.configs": {"yes", "tells"},
		"acl.list":    {"yes", "0 ACLs"},
	})
}

func TestGroupsThatAreThereAreAskedFor(t *testing.T) {
	k := fake(t, kfake.SeedTopics(1, "a"))
	consumer, err := kgo.NewClient(kgo.SeedBrokers(k.ListenAddrs()...), kgo.ConsumerGroup("some"), kgo.ConsumeTopics("a"))
	if err != nil {
		t.Fatal(err)
	}
	defer consumer.Close()
	to := target(t, k, security.Security{})
	for range 100 { // until it has joined
		if groups, err := to.Cluster.Admin().ListGroups(t.Context()); err == nil && len(groups) > 0 {
			break
		}
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		consumer.PollFetches(ctx)
		cancel()
	}
	hold(t, Cluster(t.Context(), to), map[string][2]string{"acl.groups": {"yes", "all of the 1 group"}})
}

func TestQuotasAreListed(t *testing.T) {
	k := fake(t)
	to := target(t, k, security.Security{})
	name := "redline"
	_, err := to.Cluster.Admin().AlterClientQuotas(t.Context(), []kadm.AlterClientQuotaEntry{{
		Entity: kadm.ClientQuotaEntity{{Type: "client-id", Name: &name}},
		Ops:    []kadm.AlterClientQuotaOp{{Key: "producer_byte_rate", Value: 1 << 20}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	hold(t, Cluster(t.Context(), to), map[string][2]string{"cluster.quotas": {"no", "{client-id=redline} producer_byte_rate=1048576"}})
}

func TestAnOldClusterLacksRequests(t *testing.T) {
	k := fake(t, kfake.MaxVersions(kversion.V0_10_2()))
	hold(t, Cluster(t.Context(), target(t, k, security.Security{})), map[string][2]string{
		"cluster.requests": {"no", "InitProducerID"},
		"acl.topics":       {"unknown", ""},
	})
}

func TestMetricsAreThereOrTheirFailureIsNamed(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/metrics" {
			http.NotFound(w, r)
			return
		}
		w.Write([]byte("up 1\n")) //nolint:errcheck // the reader fails then
	}))
	defer server.Close()
	judged(t, "there", metrics(t.Context(), patient{Target: Target{Metrics: []string{server.URL + "/metrics"}}}), result.Yes, "/metrics")
	judged(t, "gone", metrics(t.Context(), patient{Target: Target{Metrics: []string{server.URL + "/none"}}}), result.No, "404")
}

// A broker that falls silent costs no more than its time, and no answer is made up.
func TestASilentClusterIsUnknownInTime(t *testing.T) {
	k := fake(t)
	to := target(t, k, security.Security{})
	over := make(chan struct{})
	defer close(over)
	for _, key := range []kmsg.Key{kmsg.Metadata, kmsg.DescribeCluster, kmsg.ApiVersions} {
		k.ControlKey(int16(key), func(kmsg.Request) (kmsg.Response, error, bool) {
			<-over // the whole cluster hangs
			return nil, nil, false
		})
	}
	ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()
	began := time.Now()
	checks := Cluster(ctx, to)
	if took := time.Since(began); took > 2*time.Second {
		t.Errorf("it took %v", took)
	}
	hold(t, checks, map[string][2]string{
		"cluster.version": {"unknown", "no answer"},
		"acl.cluster":     {"unknown", "no answer"},
		"acl.configs":     {"unknown", "no answer"},
		"cluster.quotas":  {"unknown", "no answer"},
	})
}

func TestAConnectionThatOthersCanReadIsNamed(t *testing.T) {
	p := patient{Target: target(t, fake(t), security.Security{})}
	p.Security.TLS = &security.TLS{SkipVerify: true}
	judged(t, "unchecked", encrypted(t.Context(), p), result.No, "SSL, the certificate is not checked")
	p.Security.TLS = &security.TLS{}
	judged(t, "checked", encrypted(t.Context(), p), result.Yes, "SSL")
}
