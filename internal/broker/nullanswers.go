package broker

import (
	"maps"
	"net"
	"slices"
	"strconv"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"redline/internal/cluster"
)

// versions are those of a request that the null sink takes, all inclusive.
type versions struct{ min, max int16 }

// nullVersions are the requests it takes, as Apache Kafka 4 does where it can. What is
// not here clients take for missing: SASL, transactions, the newer groups.
var nullVersions = map[int16]versions{
	// As Kafka it says 0 and takes 3: librdkafka asks for 0 before it compresses.
	keyProduce:     {0, 12},
	keyFetch:       {4, 17},
	2:              {1, 10}, // ListOffsets
	3:              {0, 12}, // Metadata
	8:              {2, 9},  // OffsetCommit
	9:              {1, 9},  // OffsetFetch
	10:             {0, 6},  // FindCoordinator
	11:             {0, 9},  // JoinGroup
	12:             {0, 4},  // Heartbeat
	13:             {0, 5},  // LeaveGroup
	14:             {0, 5},  // SyncGroup
	15:             {0, 6},  // DescribeGroups
	16:             {0, 5},  // ListGroups
	keyAPIVersions: {0, 4},
	19:             {2, 7}, // CreateTopics
	20:             {1, 6}, // DeleteTopics
	22:             {0, 5}, // InitProducerID
	23:             {2, 4}, // OffsetForLeaderEpoch
	32:             {1, 4}, // DescribeConfigs
	42:             {0, 2}, // DeleteGroups
	75:             {0, 0}, // DescribeTopicPartitions
}

// answerOther answers a request that carries no records; nil when the sink ends.
func (c *nullConn) answerOther(request kmsg.Request) kmsg.Response {
	s := c.sink
	switch request := request.(type) {
	case *kmsg.ApiVersionsRequest:
		return apiVersions(0)
	case *kmsg.MetadataRequest:
		return s.metadata(request)
	case *kmsg.DescribeTopicPartitionsRequest:
		return s.describeTopics(request)
	case *kmsg.ListOffsetsRequest:
		return s.listOffsets(request)
	case *kmsg.OffsetForLeaderEpochRequest:
		return s.epochEnds(request)
	case *kmsg.CreateTopicsRequest:
		return s.createTopics(request)
	case *kmsg.DeleteTopicsRequest:
		return s.deleteTopics(request)
	case *kmsg.DescribeConfigsRequest:
		return s.describeConfigs(request)
	case *kmsg.InitProducerIDRequest:
		return s.initProducer(request)
	case *kmsg.FindCoordinatorRequest:
		return s.findCoordinator(request)
	case *kmsg.JoinGroupRequest:
		return s.groups.join(request, c.client, s.closing)
	case *kmsg.SyncGroupRequest:
		return s.groups.sync(request, s.closing)
	case *kmsg.HeartbeatRequest:
		return s.groups.heartbeat(request)
	case *kmsg.LeaveGroupRequest:
		return s.groups.leave(request)
	case *kmsg.OffsetCommitRequest:
		return s.groups.commit(request, &s.topics)
	case *kmsg.OffsetFetchRequest:
		return s.groups.committed(request)
	case *kmsg.DescribeGroupsRequest:
		return s.groups.describe(request)
	case *kmsg.ListGroupsRequest:
		return s.groups.list(request)
	case *kmsg.DeleteGroupsRequest:
		return s.groups.delete(request)
	}
	return nil
}

func apiVersions(problem int16) *kmsg.ApiVersionsResponse {
	response := kmsg.NewPtrApiVersionsResponse()
	response.ErrorCode = problem
	for _, key := range slices.Sorted(maps.Keys(nullVersions)) {
		one := kmsg.NewApiVersionsResponseApiKey()
		one.ApiKey, one.MinVersion, one.MaxVersion = key, nullVersions[key].min, nullVersions[key].max
		response.ApiKeys = append(response.ApiKeys, one)
	}
	return response
}

// address is where the one node, of id 0, listens.
func (s *nullSink) address() (host string, port int32) {
	host, text, _ := net.SplitHostPort(s.listener.Addr().String())
	number, _ := strconv.Atoi(text)
	return host, int32(number)
}

func (s *nullSink) metadata(request *kmsg.MetadataRequest) kmsg.Response {
	response := kmsg.NewPtrMetadataResponse()
	node := kmsg.NewMetadataResponseBroker()
	node.Host, node.Port = s.address()
	response.Brokers = append(response.Brokers, node)
	response.ClusterID = kmsg.StringPtr(s.cluster)
	response.ControllerID = 0
	if request.Topics == nil || request.Version == 0 && len(request.Topics) == 0 {
		for _, t := range s.topics.sorted() {
			response.Topics = append(response.Topics, t.metadata())
		}
		return response
	}
	create := s.config.autoCreate && (request.Version < 4 || request.AllowAutoTopicCreation)
	for _, asked := range request.Topics {
		response.Topics = append(response.Topics, s.topicMetadata(asked, create))
	}
	return response
}

func (s *nullSink) topicMetadata(asked kmsg.MetadataRequestTopic, create bool) kmsg.MetadataResponseTopic {
	problem := kerr.UnknownTopicID.Code
	t := s.topics.identified(asked.TopicID)
	if asked.Topic != nil {
		t = s.topics.named([]byte(*asked.Topic))
		problem = kerr.UnknownTopicOrPartition.Code
		if t == nil && create {
			t, problem = s.create(*asked.Topic, -1, nil)
		}
	}
	if t != nil {
		return t.metadata()
	}
	missing := kmsg.NewMetadataResponseTopic()
	missing.Topic, missing.TopicID, missing.ErrorCode = asked.Topic, asked.TopicID, problem
	return missing
}

func (t *nullTopic) metadata() kmsg.MetadataResponseTopic {
	topic := kmsg.NewMetadataResponseTopic()
	topic.Topic, topic.TopicID = kmsg.StringPtr(t.name), t.id
	for i := range t.partitions {
		p := kmsg.NewMetadataResponseTopicPartition()
		p.Partition, p.LeaderEpoch, p.Replicas, p.ISR = int32(i), 0, []int32{0}, []int32{0}
		topic.Partitions = append(topic.Partitions, p)
	}
	return topic
}

// describeTopics tells the same as metadata, of topics that are there, and in one page.
func (s *nullSink) describeTopics(request *kmsg.DescribeTopicPartitionsRequest) kmsg.Response {
	response := kmsg.NewPtrDescribeTopicPartitionsResponse()
	asked := request.Topics
	if len(asked) == 0 {
		for _, t := range s.topics.sorted() {
			asked = append(asked, kmsg.DescribeTopicPartitionsRequestTopic{Topic: t.name})
		}
	}
	for _, one := range asked {
		topic := kmsg.NewDescribeTopicPartitionsResponseTopic()
		topic.Topic, topic.ErrorCode = kmsg.StringPtr(one.Topic), kerr.UnknownTopicOrPartition.Code
		if t := s.topics.named([]byte(one.Topic)); t != nil {
			topic.TopicID, topic.ErrorCode = t.id, 0
			for i := range t.partitions {
				p := kmsg.NewDescribeTopicPartitionsResponseTopicPartition()
				p.Partition, p.LeaderEpoch, p.Replicas, p.ISR = int32(i), 0, []int32{0}, []int32{0}
				topic.Partitions = append(topic.Partitions, p)
			}
		}
		response.Topics = append(response.Topics, topic)
	}
	return response
}

// create makes a topic, unless it is there already; -1 partitions are the usual number.
func (s *nullSink) create(name string, partitions int, configs map[string]string) (*nullTopic, int16) {
	if cluster.CheckTopicName(name) != nil {
		return nil, kerr.InvalidTopicException.Code
	}
	if partitions == -1 {
		partitions = s.config.partitions
	}
	if partitions < 1 {
		return nil, kerr.InvalidPartitions.Code
	}
	t, exists, tooMany := s.topics.create(name, partitions, s.config.records, configs)
	switch {
	case exists:
		return t, kerr.TopicAlreadyExists.Code
	case tooMany:
		return nil, kerr.PolicyViolation.Code
	}
	return t, 0
}

func (s *nullSink) createTopics(request *kmsg.CreateTopicsRequest) kmsg.Response {
	response := kmsg.NewPtrCreateTopicsResponse()
	for _, asked := range request.Topics {
		response.Topics = append(response.Topics, s.createTopic(asked, request.ValidateOnly))
	}
	return response
}

func (s *nullSink) createTopic(asked kmsg.CreateTopicsRequestTopic, dry bool) kmsg.CreateTopicsResponseTopic {
	made := kmsg.NewCreateTopicsResponseTopic()
	made.Topic = asked.Topic
	partitions := int(asked.NumPartitions)
	if len(asked.ReplicaAssignment) > 0 {
		partitions = len(asked.ReplicaAssignment)
	}
	configs := map[string]string{}
	for _, c := range asked.Configs {
		if c.Value != nil {
			configs[c.Name] = *c.Value
		}
	}
	if asked.ReplicationFactor > 1 {
		made.ErrorCode = kerr.InvalidReplicationFactor.Code
		return made
	}
	if dry {
		return made
	}
	t, problem := s.create(asked.Topic, partitions, configs)
	if made.ErrorCode = problem; problem == 0 {
		made.TopicID, made.NumPartitions, made.ReplicationFactor = t.id, int32(len(t.partitions)), 1
		made.Configs = []kmsg.CreateTopicsResponseTopicConfig{} // Java's client takes no null
	}
	return made
}

func (s *nullSink) deleteTopics(request *kmsg.DeleteTopicsRequest) kmsg.Response {
	response := kmsg.NewPtrDeleteTopicsResponse()
	asked := request.Topics
	for _, name := range request.TopicNames { // before version 6
		one := kmsg.NewDeleteTopicsRequestTopic()
		one.Topic = &name
		asked = append(asked, one)
	}
	for _, one := range asked {
		gone := kmsg.NewDeleteTopicsResponseTopic()
		gone.Topic, gone.TopicID = one.Topic, one.TopicID
		t := s.topics.identified(one.TopicID)
		gone.ErrorCode = kerr.UnknownTopicID.Code
		if one.Topic != nil {
			t = s.topics.named([]byte(*one.Topic))
			gone.ErrorCode = kerr.UnknownTopicOrPartition.Code
		}
		if t != nil {
			s.topics.remove(t)
			gone.Topic, gone.TopicID, gone.ErrorCode = &t.name, t.id, 0
		}
		response.Topics = append(response.Topics, gone)
	}
	return response
}

// The times that ListOffsets gives a meaning of its own.
const (
	latestOffset   = -1
	earliestOffset = -2
	newestOffset   = -3 // of the record with the highest time
	earliestLocal  = -4
)

func (s *nullSink) listOffsets(request *kmsg.ListOffsetsRequest) kmsg.Response {
	response := kmsg.NewPtrListOffsetsResponse()
	for _, topic := range request.Topics {
		t := s.topics.named([]byte(topic.Topic))
		listed := kmsg.NewListOffsetsResponseTopic()
		listed.Topic = topic.Topic
		for _, p := range topic.Partitions {
			one := kmsg.NewListOffsetsResponseTopicPartition()
			one.Partition, one.ErrorCode = p.Partition, kerr.UnknownTopicOrPartition.Code
			if log := t.partition(p.Partition); log != nil {
				one.ErrorCode, one.LeaderEpoch = 0, 0
				one.Offset, one.Timestamp = offsetAt(p.Timestamp, log.end.Load(), s.started)
			}
			listed.Partitions = append(listed.Partitions, one)
		}
		response.Topics = append(response.Topics, listed)
	}
	return response
}

// offsetAt is the first offset at a time, in a log whose records are all of the time
// when the sink started; -1, -1 when there is none.
func offsetAt(asked, end int64, started time.Time) (offset, at int64) {
	switch {
	case asked == latestOffset:
		return end, -1
	case asked == earliestOffset, asked == earliestLocal:
		return 0, -1
	case end == 0 || asked > started.UnixMilli():
		return -1, -1
	case asked == newestOffset:
		return end - 1, started.UnixMilli()
	case asked < 0:
		return -1, -1
	}
	return 0, started.UnixMilli()
}

// epochEnds says of each log that it has had one leader only.
func (s *nullSink) epochEnds(request *kmsg.OffsetForLeaderEpochRequest) kmsg.Response {
	response := kmsg.NewPtrOffsetForLeaderEpochResponse()
	for _, topic := range request.Topics {
		t := s.topics.named([]byte(topic.Topic))
		ends := kmsg.NewOffsetForLeaderEpochResponseTopic()
		ends.Topic = topic.Topic
		for _, p := range topic.Partitions {
			one := kmsg.NewOffsetForLeaderEpochResponseTopicPartition()
			one.Partition, one.ErrorCode = p.Partition, kerr.UnknownTopicOrPartition.Code
			if log := t.partition(p.Partition); log != nil {
				one.ErrorCode, one.LeaderEpoch, one.EndOffset = 0, 0, log.end.Load()
			}
			ends.Partitions = append(ends.Partitions, one)
		}
		response.Topics = append(response.Topics, ends)
	}
	return response
}

// describeConfigs gives back what a topic was made with, none of which has an effect.
func (s *nullSink) describeConfigs(request *kmsg.DescribeConfigsRequest) kmsg.Response {
	response := kmsg.NewPtrDescribeConfigsResponse()
	for _, asked := range request.Resources {
		described := kmsg.NewDescribeConfigsResponseResource()
		described.ResourceType, described.ResourceName = asked.ResourceType, asked.ResourceName
		source, values := kmsg.ConfigSourceDefaultConfig, nullProperties
		if asked.ResourceType == kmsg.ConfigResourceTypeTopic {
			t := s.topics.named([]byte(asked.ResourceName))
			if t == nil {
				described.ErrorCode = kerr.UnknownTopicOrPartition.Code
				response.Resources = append(response.Resources, described)
				continue
			}
			source, values = kmsg.ConfigSourceDynamicTopicConfig, t.configs
		}
		for _, key := range slices.Sorted(maps.Keys(values)) {
			if asked.ConfigNames != nil && !slices.Contains(asked.ConfigNames, key) {
				continue
			}
			config := kmsg.NewDescribeConfigsResponseResourceConfig()
			config.Name, config.Value, config.Source = key, kmsg.StringPtr(values[key]), source
			described.Configs = append(described.Configs, config)
		}
		response.Resources = append(response.Resources, described)
	}
	return response
}

func (s *nullSink) initProducer(request *kmsg.InitProducerIDRequest) kmsg.Response {
	response := kmsg.NewPtrInitProducerIDResponse()
	if request.TransactionalID != nil {
		response.ErrorCode = kerr.TransactionalIDAuthorizationFailed.Code
		return response
	}
	response.ProducerID, response.ProducerEpoch = s.producers.Add(1), 0
	return response
}

// findCoordinator names the one node for groups, and nobody for transactions.
func (s *nullSink) findCoordinator(request *kmsg.FindCoordinatorRequest) kmsg.Response {
	response := kmsg.NewPtrFindCoordinatorResponse()
	var problem int16
	var words *string
	if request.CoordinatorType != 0 {
		problem = kerr.TransactionalIDAuthorizationFailed.Code
		words = kmsg.StringPtr("the null sink has no transactions")
	}
	response.ErrorCode, response.ErrorMessage = problem, words
	response.NodeID = 0
	response.Host, response.Port = s.address()
	for _, key := range request.CoordinatorKeys {
		one := kmsg.NewFindCoordinatorResponseCoordinator()
		one.Key, one.ErrorCode, one.ErrorMessage = key, problem, words
		one.NodeID, one.Host, one.Port = response.NodeID, response.Host, response.Port
		response.Coordinators = append(response.Coordinators, one)
	}
	return response
}
