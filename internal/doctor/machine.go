package doctor

import (
	"context"
	"io/fs"
	"os"
	"runtime"

	"redline/result"
)

// Options say where Machine looks.
type Options struct {
	// Runs is the folder of stored runs, Data the one where a broker that redline
	// starts keeps its log; empty when there is none. They need not exist yet.
	Runs, Data string
	// Getenv looks up the environment.
	Getenv func(string) string
	// Progress, if not nil, hears how many of the Steps of the look at the idle
	// machine are done, the only thing here that takes seconds.
	Progress func(done int)
}

// machine is the subject of the questions about this machine.
type machine struct {
	Options
	// root is where /proc and /sys are looked up.
	root fs.FS
	// rest is how the machine behaved while nothing of ours went on.
	rest rest
}

// Machine asks what this machine allows. It takes five seconds, nearly all of them to
// look at the idle machine; when ctx ends, what is left is unknown.
func Machine(ctx context.Context, o Options) []result.DoctorCheck {
	m := machine{Options: o, root: os.DirFS("/")}
	checks := ask(ctx, machineQuestions, m)
	m.rest = watch(ctx, o.Progress)
	return append(checks, ask(ctx, noiseQuestions, m)...)
}

// onLinux is a look into /proc and /sys.
func onLinux(look func(fs.FS) finding) func(context.Context, machine) finding {
	return func(_ context.Context, m machine) finding {
		if runtime.GOOS != "linux" {
			return notHere("only Linux has it")
		}
		return look(m.root)
	}
}

var machineQuestions = []question[machine]{
	{
		id: "cpu.count", area: "Processor", name: "Several CPUs", look: cpus,
		lost:  "client and broker take turns on one CPU: figures tell of both together",
		allow: "give the machine or the container two CPUs or more",
	},
	{
		id: "cpu.quota", area: "Processor", name: "No CPU quota", look: quota,
		lost:  "when the quota is used up the kernel stops everything for the rest of its period: rates are the quota's, and latencies have steps of up to 100 ms",
		allow: "leave out --cpus (docker, podman), resources.limits.cpu (Kubernetes) or CPUQuota= (systemd)",
	},
	{
		id: "cpu.gomaxprocs", area: "Processor", name: "Go uses all CPUs", look: gomaxprocs,
		lost:  "clients written in Go work on fewer CPUs than there are",
		allow: "unset GOMAXPROCS",
	},
	{
		id: "cpu.hardware", area: "Processor", name: "Hardware of its own", look: onLinux(hardware),
		lost:  "the host may take CPU time away (see steal) and slow clocks and disks",
		allow: "nothing for comparisons; for figures to publish take a machine of your own",
	},
	{
		id: "memory.free", area: "Memory", name: "Memory for a broker", look: memory,
		lost:  "a broker of Apache Kafka takes 1 GiB of heap and wants as much for pages of its log",
		allow: "free some, or measure with --kafka embedded",
	},
	{
		id: "memory.swap", area: "Memory", name: "No swap", look: swap,
		lost:  "a page that was swapped out makes whoever needs it wait for milliseconds",
		allow: "sudo swapoff -a, while you measure",
	},
	{
		id: "disk.runs", area: "Disk", name: "Room for stored runs", look: func(_ context.Context, m machine) finding { return room(m.Runs, leastRuns) },
		lost:  "a run that can no longer be stored ends",
		allow: "free some, or name another folder with --runs",
	},
	{
		id: "disk.data", area: "Disk", name: "Disk for brokers", look: func(_ context.Context, m machine) finding { return disk(m.Data) },
		lost:  "topics are filled with fewer records, and reading them ends sooner",
		allow: "free some, or name another folder with --data",
	},
	{
		id: "cgroup.version", area: "Kernel", name: "Cgroups", look: cgroup,
		lost:  "quotas and limits that hold for this process are not seen",
		allow: "mount /sys/fs/cgroup; in a container it is there by default",
	},
	{
		id: "cgroup.write", area: "Kernel", name: "Cgroups of our own", look: childCgroup,
		lost:  "brokers and clients cannot be given CPUs, memory or a slow disk of their own",
		allow: "start with \"systemd-run --user --scope -p Delegate=yes redline …\", or as root; a container needs --privileged and --cgroupns=private",
	},
	{
		id: "kernel.psi", area: "Kernel", name: "Pressure (PSI)", look: onLinux(pressure),
		lost:  "how long work waited for CPU, disk and memory during a trial is not recorded",
		allow: "boot a kernel of 4.20 or later with psi=1",
	},
	{
		id: "kernel.perf", area: "Kernel", name: "Hardware counters (perf)", look: perf,
		lost:  "cycles, instructions and cache misses of a record cannot be counted; CPU time can",
		allow: "sudo sysctl kernel.perf_event_paranoid=2",
	},
	{
		id: "kernel.tcpinfo", area: "Kernel", name: "TCP_INFO", look: tcpInfo,
		lost:  "round-trip times and retransmissions of connections are not seen",
		allow: "a sandbox hides it (gVisor does): run outside of it",
	},
	{
		id: "kernel.files", area: "Kernel", name: "Open files", look: openFiles,
		lost:  "many clients, or brokers with many partitions, run out of file descriptors",
		allow: "ulimit -n 65536, LimitNOFILE= (systemd) or --ulimit nofile=65536 (docker)",
	},
	{
		id: "clock.reading", area: "Kernel", name: "A clock that is cheap to read", look: clock,
		lost:  "every timestamp is a call into the kernel, and records are stamped by the million",
		allow: "boot with clocksource=tsc where the kernel calls the TSC stable; see /sys/devices/system/clocksource",
	},
	{
		id: "tool.java", area: "Tools", name: "Java", look: java,
		lost:  "\"redline broker up --kafka local\" cannot start Apache Kafka; --kafka embedded and clusters of yours need no Java",
		allow: "apt-get install -y openjdk-17-jre-headless, or brew install openjdk@17; or set JAVA_HOME",
	},
	{
		id: "tool.maven", area: "Tools", name: "Maven", look: tool("mvn"),
		lost:  "jars of Apache Kafka that are not in the cache yet cannot be fetched",
		allow: "apt-get install -y maven, or brew install maven; or give an unpacked Kafka with --kafka-home",
	},
	{
		id: "tool.cc", area: "Tools", name: "C compiler", look: compiler,
		lost:  "a redline that is built here has no client \"confluent\" (librdkafka)",
		allow: "apt-get install -y gcc, or xcode-select --install",
	},
	{
		id: "client.confluent", area: "Tools", name: "Client \"confluent\" (librdkafka)", look: confluent,
		lost:  "what librdkafka and the languages above it reach cannot be measured",
		allow: "build redline with a C compiler and CGO_ENABLED=1",
	},
	{
		id: "tool.container", area: "Tools", name: "Containers", look: tool("podman", "docker"),
		lost:  "clusters from images cannot be started beside redline; redline itself needs none",
		allow: "apt-get install -y podman, or brew install podman",
	},
}

var noiseQuestions = []question[machine]{
	{
		id: "noise.steal", area: "Noise", name: "No CPU time stolen", look: steal,
		lost:  "the hypervisor gives CPU time to others: trials are slower by chance, and left out when it is much",
		allow: "measure at another hour, or on a machine with CPUs of its own",
	},
	{
		id: "noise.foreign", area: "Noise", name: "No other work", look: foreign,
		lost:  "other programs take CPU time from client and broker",
		allow: "end them; an idle broker counts too",
	},
	{
		id: "noise.canary", area: "Noise", name: "A steady CPU", look: canary,
		lost:  "the same work takes longer now and then (clock rate, heat, neighbours): trials are left out",
		allow: "fix the clock rate (cpupower frequency-set -g performance), plug in the laptop, end other work",
	},
	{
		id: "noise.smallest", area: "Noise", name: "Small differences can be seen", look: smallest,
		lost:  "smaller ones stay undecided in 5 minutes",
		allow: "give it more time (--time 20m halves it), or a calmer machine",
	},
}
