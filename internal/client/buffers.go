package client

import (
	"crypto/tls"
	"net"
)

// SetBuffers sets the sizes of a connection's socket buffers, in bytes; 0 leaves one to
// the system. It looks below TLS, and leaves alone what is no TCP connection: call it
// before Wire.Wrap, which hides that.
func SetBuffers(conn net.Conn, read, write int) error {
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
