package doctor

import (
	"context"
	"io/fs"
	"math"
	"runtime"
	"slices"
	"strings"

	"github.com/shirou/gopsutil/v4/mem"

	"redline/internal/observe"
	"redline/internal/term"
)

func cpus(context.Context, machine) finding {
	return countedCPUs(runtime.NumCPU(), observe.Environment().CPU)
}

func countedCPUs(n int, model string) finding {
	if model == "" {
		model = runtime.GOARCH
	}
	return yesIf(n > 1, "%d × %s", n, model)
}

func quota(context.Context, machine) finding { return quotaOf(observe.CPUQuota(), runtime.NumCPU()) }

// quotaOf judges a quota in CPUs; one as large as the machine takes nothing away.
func quotaOf(quota float64, cpus int) finding {
	if quota <= 0 || quota >= float64(cpus) {
		return yes("the cgroup sets none below %d CPUs", cpus)
	}
	return no("the cgroup may use %.3g of %d CPUs", quota, cpus)
}

func gomaxprocs(context.Context, machine) finding {
	return procs(runtime.GOMAXPROCS(0), runtime.NumCPU(), observe.CPUQuota())
}

// procs judges GOMAXPROCS. Go itself takes a quota rounded up, and never less than 2.
func procs(n, cpus int, quota float64) finding {
	want := cpus
	if quota > 0 {
		want = min(cpus, max(2, int(math.Ceil(quota))))
	}
	return yesIf(n >= want, "GOMAXPROCS is %d of %d CPUs", n, cpus)
}

// hardware looks for a hypervisor: the flag that x86 sets for its guests, and the
// names that the firmware gives the machine.
func hardware(root fs.FS) finding {
	maker := strings.Join(strings.Fields(text(root, "sys/class/dmi/id/sys_vendor")+" "+text(root, "sys/class/dmi/id/product_name")), " ")
	for line := range strings.Lines(text(root, "proc/cpuinfo")) {
		key, flags, _ := strings.Cut(line, ":")
		if strings.TrimSpace(key) != "flags" {
			continue
		}
		if !slices.Contains(strings.Fields(flags), "hypervisor") {
			return yes("no hypervisor, %s", orUnnamed(maker))
		}
		return no("a virtual machine, %s", orUnnamed(maker))
	}
	return unknown("this processor does not say whether it is virtual")
}

func orUnnamed(name string) string {
	if name == "" {
		return "without a name"
	}
	return name
}

// leastMemory is what a broker of Apache Kafka needs beside redline.
const leastMemory = 2 << 30

func memory(context.Context, machine) finding {
	return memoryOf(observe.FreeMemory(), observe.Environment().Memory, observe.MemoryLimit())
}

// memoryOf judges free memory; limit is that of the cgroup, 0 if there is none.
func memoryOf(free, total, limit int64) finding {
	if free <= 0 {
		return unknown("the system does not say how much is free")
	}
	of := term.Bytes(total)
	if limit > 0 && limit < total {
		of += ", of which the cgroup may use " + term.Bytes(limit)
	}
	return yesIf(free >= leastMemory, "%s free of %s", term.Bytes(free), of)
}

func swap(ctx context.Context, _ machine) finding {
	s, err := mem.SwapMemoryWithContext(ctx)
	if err != nil {
		return unknown("the system does not say: %v", err)
	}
	return swapOf(s.Used, s.Total)
}

func swapOf(used, total uint64) finding {
	if total == 0 {
		return yes("there is none")
	}
	return no("%s of %s in use", term.Bytes(int64(used)), term.Bytes(int64(total)))
}

// text is the content of a small file, empty when it cannot be read.
func text(root fs.FS, path string) string {
	b, err := fs.ReadFile(root, path)
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(b))
}
