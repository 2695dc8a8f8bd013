package cluster

import (
	"context"
	"net"
)

// isLoopbackHost says whether every address that host resolves to stays on this
// machine. What does not resolve does not count as loopback.
func isLoopbackHost(ctx context.Context, host string) bool {
	addrs, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	if err != nil || len(addrs) == 0 {
		return false
	}
	for _, a := range addrs {
		if !a.Unmap().IsLoopback() {
			return false
		}
	}
	return true
}
