package broker

import (
	"fmt"
	"maps"
	"strconv"
	"strings"
)

// localNode is what a server.properties is made from, beside the user's own.
type localNode struct {
	ID, Port, ControllerPort int
	// InternalPort is where a secured node meets the others as a broker; Keystore and
	// Truststore are PEM files with its own certificate and the authority's.
	InternalPort         int
	Keystore, Truststore string
	// Credentials secure it; nil leaves it open.
	Credentials *credentials
	// LogDir is the folder of the records.
	LogDir string
	// Voters are the controller addresses of all nodes, in order of id from 1.
	Voters []string
	// Major is the first number of Kafka's version.
	Major int
}

// properties are those of a node that is broker and controller, with the user's
// on top. What differs from Kafka's defaults does so for one of three reasons:
// everything stays on loopback, fewer nodes than three must do, and a minute of
// producing at full speed must not fill the disk with segments that are deleted
// already.
func (n localNode) properties(user map[string]string) map[string]string {
	nodes := len(n.Voters)
	replication := strconv.Itoa(min(nodes, 3))
	inSync := "1"
	if nodes >= 3 {
		inSync = "2"
	}
	broker, controller := loopback(n.Port), loopback(n.ControllerPort)
	p := map[string]string{
		"node.id":                        strconv.Itoa(n.ID),
		"process.roles":                  "broker,controller",
		"controller.quorum.voters":       quorum(n.Voters),
		"controller.listener.names":      "CONTROLLER",
		"listeners":                      "PLAINTEXT://" + broker + ",CONTROLLER://" + controller,
		"advertised.listeners":           "PLAINTEXT://" + broker,
		"listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
		"inter.broker.listener.name":     "PLAINTEXT",
		"log.dirs":                       n.LogDir,

		"default.replication.factor":               replication,
		"min.insync.replicas":                      inSync,
		"offsets.topic.replication.factor":         replication,
		"transaction.state.log.replication.factor": replication,
		"transaction.state.log.min.isr":            inSync,

		"log.segment.bytes":               "67108864",
		"log.retention.check.interval.ms": "5000",
		"log.segment.delete.delay.ms":     "1000",
		"log.initial.task.delay.ms":       "100",

		"group.initial.rebalance.delay.ms": "0",
	}
	if n.Major >= 4 {
		p["share.coordinator.state.topic.replication.factor"] = replication
		p["share.coordinator.state.topic.min.isr"] = inSync
	}
	if n.Credentials != nil {
		maps.Copy(p, n.Credentials.nodeProperties(n))
	}
	maps.Copy(p, user)
	return p
}

// quorum spells controller.quorum.voters: 1@HOST:PORT,2@HOST:PORT.
func quorum(voters []string) string {
	var parts []string
	for i, v := range voters {
		parts = append(parts, fmt.Sprintf("%d@%s", i+1, v))
	}
	return strings.Join(parts, ",")
}
