package broker

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"github.com/shirou/gopsutil/v4/disk"

	"redline/internal/security"
)

// leastFree is the least free disk, in bytes, that a node is started on.
const leastFree = 1 << 30

//go:embed jmx.yml
var jmxRules []byte

// Kafka 4 logs through log4j 2, Kafka 3 through reload4j; both to the node's log
// file, by way of standard output.
const (
	log4j2 = `status = error
appender.out.type = Console
appender.out.name = out
appender.out.layout.type = PatternLayout
appender.out.layout.pattern = %d{ISO8601} %p %m (%c{1})%n
rootLogger.level = info
rootLogger.appenderRef.out.ref = out
`
	reload4j = `log4j.rootLogger=INFO, out
log4j.appender.out=org.apache.log4j.ConsoleAppender
log4j.appender.out.layout=org.apache.log4j.PatternLayout
log4j.appender.out.layout.ConversionPattern=%d{ISO8601} %p %m (%c{1})%n
`
)

// install is an Apache Kafka on this machine, ready to be run.
type install struct {
	java string
	// libs is the folder of Kafka's jars, agent the exporter's jar or empty.
	libs, agent string
	version     string
}

// findInstall finds Java and Kafka, fetching what may be fetched.
func findInstall(ctx context.Context, c Config) (install, error) {
	java, err := findJava()
	if err != nil {
		return install{}, err
	}
	if c.Home != "" {
		return findHome(ctx, c, java)
	}
	libs, err := KafkaJars(ctx, c.Version, c.Say)
	if err != nil {
		return install{}, err
	}
	return install{java: java, libs: libs, agent: agentIn(libs), version: c.Version}, nil
}

// findHome looks into an unpacked distribution. It has no exporter: if that
// cannot be fetched either, the nodes run without.
func findHome(ctx context.Context, c Config, java string) (install, error) {
	found := install{java: java, libs: filepath.Join(c.Home, "libs")}
	jars, err := filepath.Glob(filepath.Join(found.libs, "kafka-clients-*.jar"))
	if err == nil && len(jars) > 0 {
		if m := clientsJar.FindStringSubmatch(filepath.Base(jars[0])); m != nil {
			found.version = m[1]
		}
	}
	if found.version == "" {
		return found, fmt.Errorf("%s is no unpacked Apache Kafka: it has no libs/kafka-clients-VERSION.jar. Give the folder that holds bin and libs with --kafka-home", c.Home)
	}
	libs, err := fetchJars(ctx, agent.Name, agent.Version, []artifact{agent}, c.Say)
	switch {
	case err == nil:
		found.agent = agentIn(libs)
	case ctx.Err() != nil:
		return found, err
	default:
		c.Say("No metrics from inside the broker: " + err.Error())
	}
	return found, nil
}

var clientsJar = regexp.MustCompile(`^kafka-clients-(\d+\.\d+\.\d+)\.jar$`)

func agentIn(libs string) string {
	return filepath.Join(libs, agent.Name+"-"+agent.Version+".jar")
}

// findJava prefers JAVA_HOME, as Kafka's own scripts do.
func findJava() (string, error) {
	if home := os.Getenv("JAVA_HOME"); home != "" {
		java := filepath.Join(home, "bin", "java")
		if _, err := os.Stat(java); err == nil {
			return java, nil
		}
	}
	java, err := exec.LookPath("java")
	if err != nil {
		return "", errors.New("Apache Kafka needs Java, which is not installed. Install it with: apt-get install -y openjdk-17-jre-headless") //nolint:staticcheck // a name has a capital
	}
	return java, nil
}

// makeLocal prepares the nodes of an Apache Kafka: folders, ports, files.
func (b *Broker) makeLocal(ctx context.Context) error {
	data, err := b.makeDataDir()
	if err != nil {
		return err
	}
	found, err := findInstall(ctx, b.config)
	if err != nil {
		return err
	}
	b.version = found.version
	ports, err := b.localPorts(ctx)
	if err != nil {
		return err
	}
	var voters []string
	for _, p := range ports {
		voters = append(voters, loopback(p.controller))
	}
	if err := b.secure(ports); err != nil {
		return err
	}
	for i, p := range ports {
		n, err := b.makeNode(found, localNode{
			ID:             i + 1,
			Port:           p.clients,
			ControllerPort: p.controller,
			InternalPort:   p.internal,
			Keystore:       filepath.Join(b.folder.conf(), nodeStore),
			Truststore:     filepath.Join(b.folder.conf(), authorityFile),
			Credentials:    b.credentials,
			LogDir:         filepath.Join(data, "node-"+strconv.Itoa(i+1)),
			Voters:         voters,
			Major:          majorOf(found.version),
		}, p.metrics)
		if err != nil {
			return err
		}
		b.nodes = append(b.nodes, n)
	}
	b.config.Say(fmt.Sprintf("Starting Apache Kafka %s…", found.version))
	return nil
}

// localPorts are the ports of one node.
type localPorts struct{ clients, controller, internal, metrics int }

// localPorts finds ports for all nodes: those asked for, else free ones.
func (b *Broker) localPorts(ctx context.Context) ([]localPorts, error) {
	const each = 4
	free, err := freePorts(ctx, each*b.config.Nodes)
	if err != nil {
		return nil, err
	}
	var ports []localPorts
	for i := range b.config.Nodes {
		f := free[each*i:]
		p := localPorts{clients: f[0], controller: f[1], internal: f[2], metrics: f[3]}
		if b.config.Port != 0 {
			p.clients = b.config.Port + i
		}
		ports = append(ports, p)
	}
	return ports, nil
}

// secure makes the credentials of a secured broker, and writes the files that its
// nodes and its clients need.
func (b *Broker) secure(ports []localPorts) error {
	if b.config.Secure == (Secure{}) {
		return nil
	}
	var err error
	if b.credentials, err = newCredentials(b.config.Secure); err != nil {
		return err
	}
	var addrs []string
	for _, p := range ports {
		addrs = append(addrs, loopback(p.clients))
		b.internal = append(b.internal, loopback(p.internal))
	}
	if err := b.credentials.writeNode(b.folder.conf()); err != nil {
		return err
	}
	return b.credentials.writeClients(b.folder.clients(), addrs)
}

// makeDataDir makes the folder of all nodes' data and looks what it lies on.
func (b *Broker) makeDataDir() (string, error) {
	dir := b.folder.ownData()
	if b.config.DataDir != "" {
		parent, err := filepath.Abs(b.config.DataDir)
		if err != nil {
			return "", fmt.Errorf("find the data folder: %w", err)
		}
		dir = filepath.Join(parent, dataName(b.folder.state.ID))
	}
	if strings.Contains(dir, ",") {
		return "", fmt.Errorf("the folder %s has a comma in its name, and Kafka takes it for two. Choose another folder with --data", filepath.Dir(dir))
	}
	// Written down before it is made, so that it is cleaned whatever happens.
	b.folder.state.Data = dir
	if err := b.folder.save(); err != nil {
		return "", err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", fmt.Errorf("make the data folder: %w. Choose a folder that can be written with --data", err)
	}
	if usage, err := disk.Usage(dir); err == nil && usage.Free < leastFree {
		return "", fmt.Errorf("only %d MiB are free in %s, and a broker needs %d MiB. Free some, or choose another folder with --data",
			usage.Free>>20, filepath.Dir(dir), leastFree>>20)
	}
	b.storage = storageOf(dir)
	return dir, nil
}

// The flags of a node are those of Kafka's own scripts; the tool that formats the
// data folder is short-lived and not measured, so it may start the cheap way.
var (
	brokerFlags = []string{
		"-XX:+UseG1GC", "-XX:MaxGCPauseMillis=20", "-XX:InitiatingHeapOccupancyPercent=35",
		"-XX:+ExplicitGCInvokesConcurrent", "-XX:+ExitOnOutOfMemoryError", "-Djava.awt.headless=true",
	}
	formatFlags = []string{"-Xmx128m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"}
)

// makeNode writes a node's files and says how its guard runs it.
func (b *Broker) makeNode(found install, local localNode, metricsPort int) (*node, error) {
	conf := b.folder.conf()
	name := fmt.Sprintf("node-%d", local.ID)
	properties := filepath.Join(conf, name+".properties")
	logging, rules := filepath.Join(conf, "log4j.properties"), filepath.Join(conf, "jmx.yml")
	logFlag, logText := "-Dlog4j.configuration=file:"+logging, reload4j
	if local.Major >= 4 {
		logFlag, logText = "-Dlog4j2.configurationFile="+logging, log4j2
	}
	if err := writeFiles(conf, map[string]string{
		properties: security.JavaFile(local.properties(b.config.Properties)),
		logging:    logText,
		rules:      string(jmxRules),
	}); err != nil {
		return nil, err
	}
	classes := []string{"-cp", filepath.Join(found.libs, "*"), logFlag}
	run := []string{found.java, "-Xms" + b.config.Heap, "-Xmx" + b.config.Heap}
	run = append(run, brokerFlags...)
	metrics := ""
	if found.agent != "" {
		run = append(run, fmt.Sprintf("-javaagent:%s=%s:%s", found.agent, loopback(metricsPort), rules))
		metrics = "http://" + loopback(metricsPort) + "/metrics"
	}
	run = append(append(run, classes...), "kafka.Kafka", properties)
	format := append([]string{found.java}, formatFlags...)
	format = append(append(format, classes...), "kafka.tools.StorageTool", "format", "-t", b.cluster, "-c", properties)
	log := b.folder.logFile(name)
	return &node{
		id:   local.ID,
		role: childGuard,
		order: guardOrder{
			Prepare:  format,
			Prepared: filepath.Join(local.LogDir, "meta.properties"),
			Command:  run,
			Dir:      b.folder.logs(),
			Log:      log,
			Data:     local.LogDir,
			Home:     b.folder.dir,
			Grace:    grace,
		},
		log:     log,
		metrics: metrics,
		addrs:   []string{loopback(local.Port)},
		spawner: b.spawner,
		died:    b.died,
	}, nil
}

func writeFiles(dir string, files map[string]string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("write the node's configuration: %w", err)
	}
	for path, text := range files {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			return fmt.Errorf("write the node's configuration: %w", err)
		}
	}
	return nil
}
