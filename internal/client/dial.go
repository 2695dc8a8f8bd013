package client

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"time"

	"redline/internal/security"
)

// Dial opens a connection to a broker with the socket buffers asked for, in bytes; 0
// leaves one to the system, as timeout 0 leaves the time to ctx. What goes over it is not
// counted yet: see Wire.Wrap, which hides the connection's type.
func Dial(ctx context.Context, how security.Security, address string, timeout time.Duration, readBuffer, writeBuffer int) (net.Conn, error) {
	conn, err := how.Dial(ctx, address, timeout)
	if err != nil {
		return nil, err
	}
	if err := setBuffers(conn, readBuffer, writeBuffer); err != nil {
		conn.Close()
		return nil, fmt.Errorf("cannot set the socket buffers: %w", err)
	}
	return conn, nil
}

// setBuffers looks below TLS, and leaves alone what is no TCP connection.
func setBuffers(conn net.Conn, read, write int) error {
	if secured, ok := conn.(*tls.Conn); ok {
		conn = secured.NetConn()
	}
	tcp, ok := conn.(*net.TCPConn)
	if !ok {
		return nil
	}
	var err error
	if read > 0 {
		err = tcp.SetReadBuffer(read)
	}
	if write > 0 && err == nil {
		err = tcp.SetWriteBuffer(write)
	}
	return err
}
