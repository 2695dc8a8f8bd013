package batch

import (
	"encoding/binary"
	"io"
	"net"
	"testing"

	"github.com/IBM/sarama"
	"github.com/twmb/franz-go/pkg/kmsg"
	"pgregory.net/rapid"
)

// saramaReader is sarama in front of a broker that knows one answer to a fetch.
type saramaReader struct {
	client *sarama.Broker
	answer chan []byte
}

func newSaramaReader(t *testing.T) *saramaReader {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &saramaReader{client: sarama.NewBroker(listener.Addr().String()), answer: make(chan []byte, 1)}
	over := make(chan struct{})
	go func() {
		defer close(over)
		defer listener.Close()
		s.serve(listener)
	}()
	config := sarama.NewConfig()
	config.ApiVersionsRequest = false
	if err := s.client.Open(config); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.client.Close(); err != nil {
			t.Error(err)
		}
		<-over
	})
	return s
}

// serve answers the fetches of one connection.
func (s *saramaReader) serve(listener net.Listener) {
	conn, err := listener.Accept()
	if err != nil {
		return
	}
	defer conn.Close()
	for {
		head := make([]byte, 4)
		if _, err := io.ReadFull(conn, head); err != nil {
			return
		}
		request := make([]byte, binary.BigEndian.Uint32(head))
		if _, err := io.ReadFull(conn, request); err != nil {
			return
		}
		response := kmsg.FetchResponse{Version: 4, Topics: []kmsg.FetchResponseTopic{{
			Topic:      "topic",
			Partitions: []kmsg.FetchResponseTopicPartition{{RecordBatches: <-s.answer, HighWatermark: 1 << 40}},
		}}}
		body := response.AppendTo(nil)
		frame := binary.BigEndian.AppendUint32(nil, uint32(len(body)+4))
		frame = append(append(frame, request[4:8]...), body...) // the request's correlation id
		if _, err := conn.Write(frame); err != nil {
			return
		}
	}
}

// read is what sarama reads of a batch.
func (s *saramaReader) read(t *rapid.T, raw []byte) (all []record) {
	s.answer <- raw
	request := &sarama.FetchRequest{Version: 4, MaxBytes: 1 << 30}
	request.AddBlock("topic", 0, 0, 1<<30, -1)
	response, err := s.client.Fetch(request)
	if err != nil {
		t.Fatal(err)
	}
	for _, set := range response.Blocks["topic"][0].RecordsSet {
		b := set.RecordBatch
		if b.PartialTrailingRecord {
			t.Fatal("sarama sees a part of a batch")
		}
		for _, k := range b.Records {
			r := record{Time: b.FirstTimestamp.Add(k.TimestampDelta).UnixMilli(), Key: k.Key, Value: k.Value}
			for _, h := range k.Headers {
				r.Headers = append(r.Headers, Header{Key: string(h.Key), Value: h.Value})
			}
			all = append(all, r)
		}
	}
	return all
}
