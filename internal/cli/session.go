package cli

import (
	"slices"
	"strings"

	"redline/internal/broker"
	"redline/internal/observe"
	"redline/result"
)

// pids are the processes of the broker, if it is ours.
func (s *session) pids() []int {
	if s.Ours == nil {
		return nil
	}
	return s.Ours.PIDs
}

// logs is a sentence that names the broker's logs, if it is ours.
func (s *session) logs() string {
	if s.Ours == nil || s.Ours.Logs == "" {
		return ""
	}
	return " The broker's logs are in " + s.Ours.Logs
}

// storage says where the broker keeps its log; empty when it is not ours.
func (s *session) storage() string {
	if s.Ours == nil {
		return ""
	}
	return s.Ours.Storage
}

// addresses are all that are known of the cluster's brokers.
func (s *session) addresses() []string {
	all := append([]string(nil), s.Connection.Brokers...)
	for _, b := range s.Cluster.Brokers() {
		if address := b.Address(); !slices.Contains(all, address) {
			all = append(all, address)
		}
	}
	return all
}

// died is closed when the broker that was started for the command ends by
// itself; it blocks for ever when there is none.
func (s *session) died() <-chan struct{} {
	if s.Broker == nil {
		return nil
	}
	return s.Broker.Done()
}

// environment is where the figures of this session are measured.
func (s *session) environment() result.Environment {
	e := observe.Environment()
	e.ClusterID, e.Nodes = s.Cluster.ID(), len(s.Cluster.Brokers())
	if s.Ours == nil {
		e.Kafka = "Kafka at " + strings.Join(s.Connection.Brokers, ",")
		return e
	}
	e.Kafka, e.Nodes, e.Storage = s.Ours.Kafka, s.Ours.Nodes, s.Ours.Storage
	return e
}

// keepsNothing says whether the Kafka is a null sink, whose records are not those that
// were written.
func (s *session) keepsNothing() bool { return s.Ours != nil && s.Ours.Kind == broker.Null }
