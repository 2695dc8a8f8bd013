package doctor

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"redline/internal/cluster"
	"redline/internal/security"
)

func clusterID(_ context.Context, p patient) finding {
	id := p.Cluster.ID()
	if id == "" {
		return no("the cluster has none")
	}
	return yes("%s", id)
}

// version guesses from the requests that brokers know; no request tells it.
func version(_ context.Context, p patient) finding {
	if p.versionsErr != nil {
		return unanswered(p.versionsErr)
	}
	guesses := map[string]bool{}
	for _, broker := range p.versions {
		guess := broker.VersionGuess()
		if strings.HasPrefix(guess, "v") { // the others have words of their own
			guess = "at least " + guess
		}
		guesses[guess] = true
	}
	return yes("%s, by the requests that the brokers know", strings.Join(slices.Sorted(maps.Keys(guesses)), ", "))
}

// needed are the requests without which redline cannot measure.
var needed = []kmsg.Key{
	kmsg.Produce, kmsg.Fetch, kmsg.ListOffsets, kmsg.Metadata, kmsg.FindCoordinator, kmsg.JoinGroup,
	kmsg.OffsetCommit, kmsg.OffsetFetch, kmsg.InitProducerID, kmsg.CreateTopics, kmsg.DeleteTopics, kmsg.DescribeConfigs,
}

// requests says the highest version of each that all brokers know.
func requests(_ context.Context, p patient) finding {
	if p.versionsErr != nil {
		return unanswered(p.versionsErr)
	}
	var known, missing []string
	for _, key := range needed {
		name := kmsg.NameForKey(int16(key))
		if top, all := highest(p.versions, key); all {
			known = append(known, fmt.Sprintf("%s %d", name, top))
		} else {
			missing = append(missing, name)
		}
	}
	if len(missing) > 0 {
		return no("not all brokers know %s", strings.Join(missing, ", "))
	}
	return yes("all %d, of %d that the brokers know; highest versions: %s", len(needed), kinds(p.versions), strings.Join(known, ", "))
}

// highest is the highest version of a request that all brokers know; all says whether
// there is one.
func highest(versions kadm.BrokersApiVersions, key kmsg.Key) (version int16, all bool) {
	version = math.MaxInt16
	for _, broker := range versions {
		top, knows := broker.KeyMaxVersion(int16(key))
		if !knows {
			return 0, false
		}
		version = min(version, top)
	}
	return version, true
}

// kinds counts the requests that some broker knows.
func kinds(versions kadm.BrokersApiVersions) int {
	known := map[int16]bool{}
	for _, broker := range versions {
		broker.EachKeySorted(func(key, _, _ int16) { known[key] = true })
	}
	return len(known)
}

func features(_ context.Context, p patient) finding {
	if p.versionsErr != nil {
		return unanswered(p.versionsErr)
	}
	var levels []string
	for _, broker := range p.versions {
		for _, f := range broker.Raw().FinalizedFeatures {
			levels = append(levels, fmt.Sprintf("%s %d", f.Name, f.MaxVersionLevel))
		}
	}
	slices.Sort(levels)
	if levels = slices.Compact(levels); len(levels) == 0 {
		return notHere("the cluster names none")
	}
	return yes("%s", strings.Join(levels, ", "))
}

// controllers asks for the quorum of KRaft, and else for the one controller that
// metadata names.
func controllers(ctx context.Context, p patient) finding {
	quorum, err := quorumOf(ctx, p)
	if err == nil {
		return yes("a quorum of %d (nodes %s), led by node %d", len(quorum.CurrentVoters), voters(quorum), quorum.LeaderID)
	}
	if refused(err) {
		return no("may not be asked: %v", kerrOf(err))
	}
	if id := p.Cluster.Controller(); id >= 0 {
		return yes("broker %d answers for the controller", id)
	}
	return unanswered(err)
}

func quorumOf(ctx context.Context, p patient) (quorum kmsg.DescribeQuorumResponseTopicPartition, err error) {
	request := kmsg.NewPtrDescribeQuorumRequest()
	topic := kmsg.NewDescribeQuorumRequestTopic()
	topic.Topic = "__cluster_metadata"
	topic.Partitions = append(topic.Partitions, kmsg.NewDescribeQuorumRequestTopicPartition())
	request.Topics = append(request.Topics, topic)
	var answer *kmsg.DescribeQuorumResponse
	within(ctx, func(ctx context.Context) { answer, err = request.RequestWith(ctx, p.Cluster.Client()) })
	if err != nil {
		return quorum, err
	}
	if err := kerr.ErrorForCode(answer.ErrorCode); err != nil {
		return quorum, err
	}
	if len(answer.Topics) != 1 || len(answer.Topics[0].Partitions) != 1 {
		return quorum, errors.New("the answer is about no quorum")
	}
	quorum = answer.Topics[0].Partitions[0]
	return quorum, kerr.ErrorForCode(quorum.ErrorCode)
}

func voters(quorum kmsg.DescribeQuorumResponseTopicPartition) string {
	var ids []string
	for _, voter := range quorum.CurrentVoters {
		ids = append(ids, fmt.Sprint(voter.ReplicaID))
	}
	return strings.Join(ids, ", ")
}

func brokers(_ context.Context, p patient) finding {
	n := len(p.Cluster.Brokers())
	return yesIf(n > 1, "%s", counted(n, "broker"))
}

func racks(_ context.Context, p patient) finding {
	if p.metaErr != nil {
		return unanswered(p.metaErr)
	}
	in := map[string]bool{}
	for _, broker := range p.meta.Brokers {
		if broker.Rack != nil && *broker.Rack != "" {
			in[*broker.Rack] = true
		}
	}
	switch {
	case len(in) > 0:
		return yes("%s", strings.Join(slices.Sorted(maps.Keys(in)), ", "))
	case len(p.meta.Brokers) < 2:
		return yes("one broker needs none")
	}
	return no("the brokers name none")
}

func encrypted(_ context.Context, p patient) finding {
	protocol := p.Security.Protocol()
	if p.Security.TLS == nil && p.Cluster.IsLoopback() {
		return yes("%s, and it stays on this machine", protocol)
	}
	f := yesIf(p.Security.TLS != nil && !p.Security.TLS.SkipVerify, "%s", protocol)
	if p.Security.TLS != nil && p.Security.TLS.SkipVerify {
		f.value += ", the certificate is not checked"
		f.allow = "--tls-ca FILE in the place of --tls-insecure-skip-verify"
	}
	return f
}

// principal is as whom we asked to be taken; which principal the broker makes of it,
// no request tells.
func principal(_ context.Context, p patient) finding {
	s := p.Security
	switch {
	case s.SASL != nil && s.SASL.User != "":
		return yes("user %s, by %s", s.SASL.User, s.SASL.Mechanism)
	case s.SASL != nil:
		return yes("whom the %s credentials name", s.SASL.Mechanism)
	case certified(s) != "":
		return yes("the certificate's %s", certified(s))
	}
	return no("ANONYMOUS, by %s", s.Protocol())
}

// certified is the subject of our own certificate; empty without one.
func certified(s security.Security) string {
	if s.TLS == nil || s.TLS.Certificate == nil || s.TLS.Certificate.Leaf == nil {
		return ""
	}
	return s.TLS.Certificate.Leaf.Subject.String()
}

// throttling is what the answers so far say of it.
func throttling(_ context.Context, p patient) finding {
	if p.versionsErr != nil {
		return unanswered(p.versionsErr)
	}
	var longest int32
	for _, broker := range p.versions {
		longest = max(longest, broker.Raw().ThrottleMillis)
	}
	if p.describedErr == nil {
		longest = max(longest, p.described.ThrottleMillis)
	}
	return yesIf(longest == 0, "the brokers asked us to wait for %v", time.Duration(longest)*time.Millisecond)
}

// metrics reads a little of each.
func metrics(ctx context.Context, p patient) finding {
	if len(p.Metrics) == 0 {
		f := notHere("Kafka's protocol has none, and redline did not start these brokers as Apache Kafka")
		f.allow = "\"redline broker up --kafka local\" serves them; elsewhere start brokers with the Prometheus JMX exporter"
		return f
	}
	for _, url := range p.Metrics {
		var err error
		within(ctx, func(ctx context.Context) { err = fetch(ctx, url) })
		if err != nil {
			return no("%s: %v", url, err)
		}
	}
	return yes("%s", strings.Join(p.Metrics, ", "))
}

func fetch(ctx context.Context, url string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	answer, err := client.Do(request)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return errors.New(answer.Status)
	}
	_, err = io.CopyN(io.Discard, answer.Body, 1)
	return err
}

// unanswered is a question that the cluster did not answer.
func unanswered(err error) finding {
	if errors.Is(err, context.DeadlineExceeded) {
		return unknown("no answer within %v", each)
	}
	return unknown("no answer: %v", cluster.Classify(err))
}

// refused says whether we lack an ACL.
func refused(err error) bool {
	for _, code := range []error{kerr.ClusterAuthorizationFailed, kerr.TopicAuthorizationFailed, kerr.GroupAuthorizationFailed} {
		if errors.Is(err, code) {
			return true
		}
	}
	return false
}

// kerrOf is Kafka's name of an error, such as CLUSTER_AUTHORIZATION_FAILED.
func kerrOf(err error) string {
	var code *kerr.Error
	if errors.As(err, &code) {
		return code.Message
	}
	return err.Error()
}
