package broker

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// Socket is the bare end of a wire: a child process that sends the bytes of a file to
// whoever connects, again and again, and knows nothing of Kafka. It is the line that no
// reader of the same bytes can pass on this machine.
type Socket struct {
	child   *child
	spawner *spawner
	dir     string
	addr    string
	pid     int
	end     sync.Once
}

// socketOrder is what its child is told.
type socketOrder struct {
	File string
	// Home is removed when the owner died.
	Home string
}

// StartSocket starts one for a file that is not empty, on a free port of 127.0.0.1, and
// returns when it listens. ctx bounds the start only. The bytes go from the page cache
// to the socket without a copy (sendfile), so the file may be as large as the cache and
// should not change.
func StartSocket(ctx context.Context, file string) (*Socket, error) {
	path, err := filepath.Abs(file)
	if err != nil {
		return nil, fmt.Errorf("find the file to send: %w", err)
	}
	looked, err := openToSend(path)
	if err != nil {
		return nil, err
	}
	looked.Close()
	dir, err := os.MkdirTemp("", "redline-socket-")
	if err != nil {
		return nil, fmt.Errorf("make a folder for a log: %w", err)
	}
	s := &Socket{spawner: newSpawner(), dir: dir}
	started := make(chan report, 1)
	hear := func(r report) {
		select {
		case started <- r:
		default: // it says no more than this
		}
	}
	log := filepath.Join(dir, "socket.log")
	if s.child, err = startChild(s.spawner, childSocket, socketOrder{path, dir}, log, hear, nil); err != nil {
		_ = s.Stop(ctx)
		return nil, err
	}
	select {
	case r := <-started:
		if len(r.Addrs) == 1 {
			s.addr, s.pid = r.Addrs[0], r.PID
			return s, nil
		}
		err = errors.New("it said nothing of its address")
	case <-s.child.gone:
		why, _ := os.ReadFile(log)
		err = fmt.Errorf("%s: %s", s.child.how, strings.TrimSpace(string(why)))
	case <-ctx.Done():
		err = context.Cause(ctx)
	}
	_ = s.Stop(context.WithoutCancel(ctx))
	return nil, fmt.Errorf("the socket did not start: %w", err)
}

// Addr is where it listens, HOST:PORT.
func (s *Socket) Addr() string { return s.addr }

// PID is the process that sends.
func (s *Socket) PID() int { return s.pid }

// Stop ends it, at once when ctx ends before, and closes its connections. Further calls
// do nothing.
func (s *Socket) Stop(ctx context.Context) error {
	var err error
	s.end.Do(func() {
		if s.child != nil {
			s.child.end(ctx, childPatience)
		}
		s.spawner.close()
		err = os.RemoveAll(s.dir)
	})
	return err
}

// openToSend opens a file that holds something.
func openToSend(path string) (*os.File, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("open the file to send: %w", err)
	}
	info, err := file.Stat()
	if err == nil && (!info.Mode().IsRegular() || info.Size() == 0) {
		err = errors.New("it is empty or no regular file")
	}
	if err != nil {
		file.Close()
		return nil, fmt.Errorf("send the file %s: %w", path, err)
	}
	return file, nil
}

// runSocket is the life of that child.
func runSocket(pipe *childPipe) error {
	var order socketOrder
	if err := pipe.order(&order); err != nil {
		return err
	}
	listener, err := new(net.ListenConfig).Listen(context.Background(), "tcp", loopback(0))
	if err != nil {
		return fmt.Errorf("listen for readers: %w", err)
	}
	// Its connections end with the process.
	defer listener.Close()
	go func() {
		for {
			conn, err := listener.Accept()
			if errors.Is(err, net.ErrClosed) {
				return
			}
			if err != nil {
				time.Sleep(10 * time.Millisecond)
				continue
			}
			go func() {
				defer conn.Close()
				if err := sendAgain(conn, order.File); err != nil {
					fmt.Fprintln(os.Stderr, err)
				}
			}()
		}
	}()
	pipe.report(report{PID: os.Getpid(), Addrs: []string{listener.Addr().String()}})
	return pipe.awaitEnd(order.Home, nil, nil)
}

// sendAgain sends a file again and again until the reader hangs up, which is no error.
func sendAgain(conn net.Conn, path string) error {
	// Each connection reads at a place of its own.
	file, err := openToSend(path)
	if err != nil {
		return err
	}
	defer file.Close()
	for {
		if _, err := file.Seek(0, io.SeekStart); err != nil {
			return fmt.Errorf("send the file again: %w", err)
		}
		// An error is the reader's going.
		if sent, err := io.Copy(conn, file); err != nil || sent == 0 {
			return nil
		}
	}
}
