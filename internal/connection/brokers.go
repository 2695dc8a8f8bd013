package connection

import (
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"unicode"
)

// DefaultPort is Kafka's port where an address names none.
const DefaultPort = 9092

// ParseBrokers reads a list of broker addresses as people type it: "host",
// "host:port" and IPv6 ("::1", "[::1]:9092"), separated by commas. The port is
// 9092 where none is given. What leaves is HOST:PORT, in the order typed and
// each address once.
func ParseBrokers(s string) ([]string, error) {
	var brokers []string
	seen := map[string]bool{}
	for field := range strings.SplitSeq(s, ",") {
		field = strings.TrimSpace(field)
		if field == "" {
			continue
		}
		broker, err := parseBroker(field)
		if err != nil {
			return nil, err
		}
		if !seen[broker] {
			seen[broker] = true
			brokers = append(brokers, broker)
		}
	}
	if len(brokers) == 0 {
		return nil, fmt.Errorf("%q names no broker: write HOST:PORT, for example localhost:%d", s, DefaultPort)
	}
	return brokers, nil
}

func parseBroker(s string) (string, error) {
	if protocol, rest, ok := strings.Cut(s, "://"); ok {
		if oneOf("PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL")(protocol) == nil {
			return "", fmt.Errorf("%q begins as a broker's listener does: write %s alone, and %s into security.protocol", s, rest, strings.ToUpper(protocol))
		}
		return "", fmt.Errorf("%q is a URL: a broker is written HOST:PORT, for example localhost:%d", s, DefaultPort)
	}
	host, port, err := splitBroker(s)
	if err != nil {
		return "", err
	}
	if err := checkHost(host); err != nil {
		return "", fmt.Errorf("%q is no broker address: %w", s, err)
	}
	number, err := strconv.ParseUint(port, 10, 16)
	if err != nil || number == 0 {
		return "", fmt.Errorf("%q is no broker address: the port must be 1 to 65535, not %q", s, port)
	}
	return net.JoinHostPort(host, strconv.FormatUint(number, 10)), nil
}

func splitBroker(s string) (host, port string, err error) {
	defaultPort := strconv.Itoa(DefaultPort)
	bare := s
	if strings.HasPrefix(s, "[") && strings.HasSuffix(s, "]") {
		bare = s[1 : len(s)-1]
	}
	if _, err := netip.ParseAddr(bare); err == nil {
		return bare, defaultPort, nil
	}
	if !strings.Contains(s, ":") {
		return s, defaultPort, nil
	}
	host, port, err = net.SplitHostPort(s)
	if err != nil {
		return "", "", fmt.Errorf("%q is no broker address: write HOST:PORT, or [ADDRESS]:PORT for IPv6", s)
	}
	return host, port, nil
}

func checkHost(host string) error {
	if host == "" {
		return fmt.Errorf("the host is missing")
	}
	if len(host) > 255 {
		return fmt.Errorf("the host is longer than 255 characters")
	}
	if _, err := netip.ParseAddr(host); err == nil {
		return nil
	}
	for _, r := range host {
		if !unicode.IsLetter(r) && !unicode.IsDigit(r) && r != '.' && r != '-' && r != '_' {
			return fmt.Errorf("a host name has no %q", r)
		}
	}
	return nil
}

// onThisMachine says whether every broker is written as a loopback address. Names are
// not looked up: what a name server says must not decide over a password.
func onThisMachine(brokers []string) bool {
	for _, broker := range brokers {
		host, _, err := net.SplitHostPort(broker)
		if err != nil {
			return false
		}
		ip, err := netip.ParseAddr(host)
		if err != nil && !strings.EqualFold(host, "localhost") || err == nil && !ip.Unmap().IsLoopback() {
			return false
		}
	}
	return true
}
