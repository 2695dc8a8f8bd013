package observe

import "runtime/metrics"

// gcCPU is the CPU time in seconds that the Go garbage collector of this process
// has used since its start, without marking on processors that were idle: that
// is not cost.
func gcCPU() float64 {
	s := []metrics.Sample{
		{Name: "/cpu/classes/gc/total:cpu-seconds"},
		{Name: "/cpu/classes/gc/mark/idle:cpu-seconds"},
	}
	metrics.Read(s)
	for _, v := range s {
		if v.Value.Kind() != metrics.KindFloat64 {
			return unknown
		}
	}
	return max(0, s[0].Value.Float64()-s[1].Value.Float64())
}
