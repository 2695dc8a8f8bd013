//go:build cgo

package confluent

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/confluentinc/confluent-kafka-go/v2/kafka"

	"redline/internal/client"
	"redline/internal/cluster"
	"redline/internal/secret"
	"redline/internal/security"
)

const canary = "hunter2-canary"

func TestWhatLibrdkafkaCannotIsSaidBeforehand(t *testing.T) {
	aws := func(context.Context) (security.AWSCredentials, error) { return security.AWSCredentials{}, nil }
	for want, how := range map[string]security.Security{
		"--tls-server-name":     {TLS: &security.TLS{ServerName: "broker"}},
		"ssl.enabled.protocols": {TLS: &security.TLS{MinVersion: tls.VersionTLS13}},
		"ssl.cipher.suites":     {TLS: &security.TLS{CipherSuites: []uint16{tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256}}},
		"AWS_MSK_IAM":           {SASL: &security.SASL{Mechanism: security.AWSMSKIAM, AWS: aws}},
	} {
		o := client.Options{Brokers: []string{"127.0.0.1:1"}, Security: how}
		for _, err := range []error{Library.CheckConsumer(o), Library.CheckProducer(o)} {
			if !errors.Is(err, client.ErrProperty) || errors.Is(err, client.ErrUnknownProperty) || !strings.HasPrefix(err.Error(), "confluent cannot ") || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %v", want, err)
			}
		}
	}
}

func TestThePropertiesOfTheConnectionAreSetOnce(t *testing.T) {
	o := client.Options{
		Brokers:    []string{"127.0.0.1:1"},
		Security:   security.Security{SASL: &security.SASL{Mechanism: security.Plain, User: "alice", Password: secret.New(canary)}},
		Properties: map[string]string{"sasl.password": canary + "-too"},
	}
	err := Library.CheckConsumer(o)
	if !errors.Is(err, client.ErrProperty) || !strings.Contains(err.Error(), "sasl.password") || strings.Contains(err.Error(), canary) {
		t.Errorf("got %v", err)
	}
	o.Properties = nil
	c, err := Library.Consumer(client.ConsumeOptions{Options: o, Topic: "topic", Assign: map[int32]int64{0: 0}})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close(t.Context()) }()
	for key, value := range c.Settings() {
		if strings.HasPrefix(key, "sasl.") || strings.Contains(value, canary) {
			t.Errorf("the settings show %s", key)
		}
	}
}

// A property that librdkafka refuses is named, and one of the passed-through
// ones, which may be a secret, without its value.
func TestARefusedPropertyShowsNoSecret(t *testing.T) {
	o := client.Options{Brokers: []string{"127.0.0.1:1"}, Properties: map[string]string{"ssl.key.password.of.mine": canary}}
	c, err := Library.Consumer(client.ConsumeOptions{Options: o, Topic: "topic", Assign: map[int32]int64{0: 0}})
	if err == nil {
		_ = c.Close(t.Context())
		t.Fatal("taken")
	}
	if strings.Contains(err.Error(), canary) {
		t.Errorf("it shows the secret: %v", err)
	}
}

func TestErrorsOfLibrdkafkaAreClassifiedLikeGosOwn(t *testing.T) {
	for _, c := range []struct {
		code kafka.ErrorCode
		text string
		want cluster.Kind
	}{
		{kafka.ErrSaslAuthenticationFailed, "x", cluster.KindAuthentication},
		{kafka.ErrTransactionalIDAuthorizationFailed, "x", cluster.KindNotAuthorized},
		{kafka.ErrAuthentication, "SASL PLAIN mechanism handshake failed: Broker: Unsupported SASL mechanism: broker's supported mechanisms: SCRAM-SHA-512", cluster.KindMechanism},
		{kafka.ErrAuthentication, "SASL authentication error: x", cluster.KindAuthentication},
		{kafka.ErrAuthentication, "Failed to acquire SASL OAUTHBEARER token: x", ""},
		{kafka.ErrSsl, "SSL handshake failed: error:0A000086:SSL routines::certificate verify failed: broker certificate could not be verified", cluster.KindCertificateUntrusted},
		{kafka.ErrSsl, "SSL handshake failed: error:0A00042E:SSL routines::tlsv1 alert protocol version: SSL alert number 70", cluster.KindTLSVersion},
		{kafka.ErrTransport, "Receive failed: error:0A00045C:SSL routines::tlsv13 alert certificate required: SSL alert number 116", cluster.KindClientCertificateMissing},
		{kafka.ErrSsl, "SSL handshake failed: Disconnected: connecting to a PLAINTEXT broker listener?", ""},
		{kafka.ErrTransport, "Connect to ipv4#127.0.0.1:1 failed: Connection refused", ""},
		{kafka.ErrSsl, "SSL alert number 999", ""},
	} {
		err := fmt.Errorf("outer: %w", kafka.NewError(c.code, c.text, false))
		if got := cluster.KindOf(cluster.Classify(asGo(err))); got != string(c.want) {
			t.Errorf("%v %s: it is %q, want %q", c.code, c.text, got, c.want)
		}
		if code(asGo(err)) != c.code {
			t.Errorf("%v: the code is lost", c.code)
		}
	}
}
