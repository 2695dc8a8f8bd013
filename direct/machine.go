package direct

import (
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
)

// cpus is how many CPUs this process may use: what Go schedules on, or less where a
// cgroup gives less. Go itself never takes a quota for less than two.
func cpus() float64 {
	allowed := float64(runtime.GOMAXPROCS(0))
	for _, quota := range quotas() {
		if quota > 0 && quota < allowed {
			allowed = quota
		}
	}
	return allowed
}

// quotas are those of the cgroups that this process is in, of both versions and all the
// way up; on other systems, and where they cannot be read, there are none.
func quotas() []float64 {
	const root = "/sys/fs/cgroup"
	lines, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return nil
	}
	var all []float64
	for line := range strings.SplitSeq(string(lines), "\n") {
		parts := strings.SplitN(line, ":", 3)
		if len(parts) != 3 {
			continue
		}
		under := filepath.Join(root, "cpu")
		if parts[0] == "0" {
			under = root
		} else if !strings.Contains(","+parts[1]+",", ",cpu,") {
			continue
		}
		for at := filepath.Clean("/" + parts[2]); ; at = filepath.Dir(at) {
			all = append(all, quotaOf(filepath.Join(under, at)))
			if at == "/" {
				break
			}
		}
	}
	return all
}

// quotaOf is the quota of one cgroup in CPUs, 0 where it has none.
func quotaOf(folder string) float64 {
	number := func(s string) float64 {
		n, err := strconv.ParseFloat(strings.TrimSpace(s), 64)
		if err != nil || n <= 0 {
			return 0
		}
		return n
	}
	if both, err := os.ReadFile(filepath.Join(folder, "cpu.max")); err == nil {
		quota, period, _ := strings.Cut(string(both), " ")
		return share(number(quota), number(period))
	}
	quota, err := os.ReadFile(filepath.Join(folder, "cpu.cfs_quota_us"))
	if err != nil {
		return 0
	}
	period, err := os.ReadFile(filepath.Join(folder, "cpu.cfs_period_us"))
	if err != nil {
		return 0
	}
	return share(number(string(quota)), number(string(period)))
}

func share(quota, period float64) float64 {
	if period == 0 {
		return 0
	}
	return quota / period
}
