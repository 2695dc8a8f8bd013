package monitor

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/pprof"
	"net/netip"
	"runtime/debug"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Server serves /metrics and /debug/pprof/ until it is closed.
type Server struct {
	listener net.Listener
	http     *http.Server
	done     chan struct{}
	unwatch  func() bool
}

// Serve listens on addr at once and answers from s, until ctx ends or Close. An
// address without a host (":9095") means 127.0.0.1: metrics name topics and
// profiles show code, so who wants others to read them has to say where
// ("0.0.0.0:9095"). Port 0 picks one, see Addr. run is the value of the label run.
func Serve(ctx context.Context, addr, run string, s Source) (*Server, error) {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, fmt.Errorf("cannot listen on %q for metrics: it is not HOST:PORT. Try 127.0.0.1:9095", addr)
	}
	if host == "" {
		host = "127.0.0.1"
	}
	addr = net.JoinHostPort(host, port)
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("cannot listen on %s for metrics: %w. Choose another address, or port 0 for any that is free", addr, reason(err))
	}
	metrics, err := metricsHandler(run, s)
	if err != nil {
		listener.Close()
		return nil, fmt.Errorf("cannot serve metrics on %s: %w", addr, err)
	}
	return start(ctx, listener, host, metrics), nil
}

func start(ctx context.Context, listener net.Listener, host string, metrics http.Handler) *Server {
	base, cancel := context.WithCancel(ctx)
	m := &Server{
		listener: listener,
		done:     make(chan struct{}),
		http: &http.Server{
			Handler:           guard(listener.Addr(), host, routes(metrics)),
			ReadHeaderTimeout: 5 * time.Second,
			ReadTimeout:       10 * time.Second,
			WriteTimeout:      2 * time.Minute, // a CPU profile takes as long as it is asked for
			IdleTimeout:       time.Minute,
			MaxHeaderBytes:    16 << 10,
			BaseContext:       func(net.Listener) context.Context { return base },
		},
	}
	go func() {
		defer close(m.done)
		defer cancel()
		_ = m.http.Serve(listener) // always ends with an error: that it was closed
	}()
	m.unwatch = context.AfterFunc(ctx, func() { m.http.Close() })
	return m
}

// Addr is where the server listens, with its real port.
func (m *Server) Addr() string { return m.listener.Addr().String() }

// Close ends the server and every request it answers. Closing twice does nothing.
func (m *Server) Close() {
	m.unwatch()
	m.http.Close()
	<-m.done
}

// reason is the innermost cause that a reader can use ("address already in use").
func reason(err error) error {
	var op *net.OpError
	if errors.As(err, &op) {
		return op.Err
	}
	return err
}

func metricsHandler(run string, s Source) (http.Handler, error) {
	r := prometheus.NewRegistry()
	c := &collector{run: run, source: s}
	c.version, c.commit = build()
	for _, part := range []prometheus.Collector{
		c,
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	} {
		if err := r.Register(part); err != nil {
			return nil, err
		}
	}
	return promhttp.HandlerFor(r, promhttp.HandlerOpts{EnableOpenMetrics: true, MaxRequestsInFlight: 4}), nil
}

func build() (version, commit string) {
	version = "devel"
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return version, ""
	}
	if v := info.Main.Version; v != "" && v != "(devel)" {
		version = v
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			commit = s.Value
		}
	}
	return version, commit
}

// routes leaves out pprof's cmdline: the arguments may hold a password.
func routes(metrics http.Handler) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", metrics)
	mux.HandleFunc("GET /debug/pprof/", pprof.Index)
	mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintln(w, "redline\n\n/metrics       Prometheus metrics\n/debug/pprof/  Go profiles")
	})
	return mux
}

// guard refuses what a browser sends for another site. On loopback a foreign name
// in Host means that a page made its own name resolve to this machine (DNS
// rebinding), and Sec-Fetch-Site tells of a page that loads us as a picture, which
// would start a profile.
func guard(addr net.Addr, host string, next http.Handler) http.Handler {
	tcp, ok := addr.(*net.TCPAddr)
	loopback := ok && tcp.IP.IsLoopback()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if loopback && !local(r.Host, host) {
			http.Error(w, "redline answers only to localhost here", http.StatusForbidden)
			return
		}
		if site := r.Header.Get("Sec-Fetch-Site"); site != "" && site != "none" && site != "same-origin" {
			http.Error(w, "redline does not answer to other sites", http.StatusForbidden)
			return
		}
		w.Header().Set("X-Content-Type-Options", "nosniff")
		next.ServeHTTP(w, r)
	})
}

// local says whether a Host header names this machine's loopback: localhost, a
// loopback address, or the name that was listened on. The port may be another
// one, as through a tunnel.
func local(header, listened string) bool {
	name := header
	if host, _, err := net.SplitHostPort(header); err == nil {
		name = host
	}
	name = strings.TrimSuffix(strings.TrimPrefix(name, "["), "]")
	if strings.EqualFold(name, "localhost") || strings.EqualFold(name, listened) {
		return true
	}
	ip, err := netip.ParseAddr(name)
	return err == nil && ip.IsLoopback()
}
