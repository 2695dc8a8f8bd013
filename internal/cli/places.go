package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"redline/internal/broker"
	"redline/internal/connection"
	"redline/internal/experiment"
	"redline/internal/observe"
	"redline/result"
)

// places opens the Kafka for an arm, one at a time.
type places struct {
	connectFlags
	p   *Process
	now *session
}

func (s *places) open(ctx context.Context, arm result.Arm) (*experiment.Place, error) {
	if err := s.close(); err != nil {
		return nil, err
	}
	f := s.connectFlags
	if arm.Setting.Nodes > 0 && strings.HasPrefix(f.kafka, string(broker.Local)) {
		f.kafka = fmt.Sprintf("%s:%d", broker.Local, arm.Setting.Nodes)
	}
	f.brokerProperties = arm.Setting.Broker
	opened, err := f.open(ctx, s.p)
	if err != nil {
		return nil, err
	}
	s.now = opened
	if err := errors.Join(opened.guard(ctx), noClient(opened.Connection, "give it to every setting with --set")); err != nil {
		return nil, err
	}
	return opened.place(), nil
}

func (s *places) close() error {
	if s.now == nil {
		return nil
	}
	defer func() { s.now = nil }()
	return s.now.Close()
}

// place is a session as trials see it.
func (s *session) place() *experiment.Place {
	place := &experiment.Place{
		Cluster: s.Cluster, Brokers: s.Connection.Brokers, Security: s.Connection.Security, PIDs: s.pids(), Environment: s.environment(),
		// Brokers elsewhere use nothing of this machine.
		Unstamped: s.keepsNothing(),
		Known:     s.Ours != nil || !s.Cluster.IsLoopback(),
	}
	if s.Broker != nil {
		place.Started, place.Died, place.Err = time.Now(), s.Broker.Done(), s.Broker.Err
	}
	return place
}

// external gives the addresses of the cluster that was named for this command; empty if
// none was. The current context is not enough: a question says itself where it is asked.
func (f *connectFlags) external(p *Process) (string, error) {
	if f.kafka != "" {
		return "", nil
	}
	named, err := f.named(p)
	if err != nil || !named {
		return "", err
	}
	c, err := f.resolve(p)
	if err != nil || c.Context != "" && f.context == "" {
		return "", err
	}
	return strings.Join(c.Brokers, ","), nil
}

// takeUp points at the Kafka of a plan unless another was named.
func (f *connectFlags) takeUp(p *Process, kafka string) error {
	brokers, err := f.external(p)
	if err == nil && brokers == "" && f.kafka == "" {
		f.resolved = nil
		f.asPlanned(kafka)
	}
	return err
}

// memoryFill and externalFill bound what is written for reading: an embedded broker
// keeps it in memory, another one on a disk that we may not be able to see.
func memoryFill() int64 {
	if free := observe.FreeMemory(); free > 0 {
		return min(mostFill/3, free/6)
	}
	return mostFill / 4
}

const mostFill = 1200 << 20

func externalFill(brokers string) int64 {
	states, err := broker.Status()
	if err != nil {
		return mostFill
	}
	addresses, err := connection.ParseBrokers(brokers)
	if err != nil {
		return mostFill
	}
	for _, state := range states {
		for _, address := range state.Brokers {
			if len(addresses) > 0 && address == addresses[0] && state.Storage == "memory" {
				return memoryFill()
			}
		}
	}
	return mostFill
}

// freeDisk is what is free where a local Kafka keeps its data; 0 when not known.
func freeDisk(data string) (int64, error) {
	if data == "" {
		state, err := broker.StateFolder()
		if err != nil {
			return 0, err
		}
		data = state
	}
	return observe.FreeDisk(data), nil
}
