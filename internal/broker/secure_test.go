package broker

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"redline/internal/secret"
	"redline/internal/security"
)

// combinations are those that the golden file shows.
var combinations = []Secure{
	{TLS: true},
	{MTLS: true, ACL: true},
	{SASL: security.Plain},
	{TLS: true, SASL: security.Plain, ACL: true},
	{SASL: security.ScramSHA256},
	{MTLS: true, SASL: security.ScramSHA512, ACL: true},
	{TLS: true, SASL: security.OAuthBearer, ACL: true},
}

func TestSecureSaysWhatItIs(t *testing.T) {
	for _, c := range []struct {
		secure Secure
		says   string
	}{
		{Secure{}, "PLAINTEXT"},
		{Secure{TLS: true}, "SSL"},
		{Secure{MTLS: true}, "SSL, client certificates"},
		{Secure{SASL: security.Plain}, "SASL_PLAINTEXT, PLAIN"},
		{Secure{TLS: true, SASL: security.ScramSHA512}, "SASL_SSL, SCRAM-SHA-512"},
		{Secure{MTLS: true, SASL: security.OAuthBearer, ACL: true}, "SASL_SSL, OAUTHBEARER, client certificates, ACLs"},
	} {
		complete, err := c.secure.complete(Local)
		if err != nil || complete.String() != c.says {
			t.Errorf("%+v: %q, %v, want %q", c.secure, complete, err, c.says)
		}
	}
}

func TestASecurityThatCannotBeIsOneSentence(t *testing.T) {
	for says, c := range map[string]Config{
		"is Apache Kafka, --kafka local":     {Secure: Secure{TLS: true}},
		"the embedded broker speaks":         {Kind: Embedded, Secure: Secure{SASL: security.Plain}},
		"no SASL mechanism AWS_MSK_IAM":      {Kind: Local, Secure: Secure{SASL: security.AWSMSKIAM}},
		"--acl has to know who asks":         {Kind: Local, Secure: Secure{ACL: true}},
		"add --mtls, or --sasl and":          {Kind: Local, Secure: Secure{TLS: true, ACL: true}},
		"no SASL mechanism SCRAM-SHA-1: it ": {Kind: Local, Secure: Secure{SASL: "SCRAM-SHA-1"}},
	} {
		if err := c.Validate(); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%+v: error %v, want %q in it", c.Secure, err, says)
		}
	}
}

func TestSecuredPropertiesAsGolden(t *testing.T) {
	var out strings.Builder
	for _, s := range combinations {
		s, err := s.complete(Local)
		if err != nil {
			t.Fatal(err)
		}
		c := &credentials{
			Secure: s, storePassword: secret.New("STORE"),
			admin: user{name: adminName, password: secret.New("ADMINS")}, alice: user{name: aliceName, password: secret.New("ALICES")},
		}
		n := localNode{
			ID: 1, Port: 9092, ControllerPort: 40001, InternalPort: 40002, Keystore: "/conf/node.pem", Truststore: "/conf/ca.pem",
		}
		fmt.Fprintf(&out, "### %s\n# of the node\n%s", s, security.JavaFile(c.nodeProperties(n)))
		for _, u := range []user{c.admin, c.alice} {
			fmt.Fprintf(&out, "# of %s\n%s", u.name, security.JavaFile(c.clientProperties(u, "/clients", []string{"127.0.0.1:9092"})))
		}
		out.WriteString("\n")
	}
	path := filepath.Join("testdata", "secured.properties")
	if *update {
		if err := os.WriteFile(path, []byte(out.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), out.String()); diff != "" {
		t.Errorf("%s (-want +got):\n%s", path, diff)
	}
}

func TestASecuredNodeKeepsTheUsualPropertiesAndTheUsersWin(t *testing.T) {
	n := localNode{ID: 1, Port: 9092, InternalPort: 9192, Voters: []string{"127.0.0.1:40001"}, Major: 4}
	open := n.properties(nil)
	n.Credentials = &credentials{Secure: Secure{TLS: true}}
	secured := n.properties(map[string]string{"ssl.enabled.protocols": "TLSv1.2"})
	for key := range open {
		if _, there := secured[key]; !there {
			t.Errorf("%s is missing in a secured node", key)
		}
	}
	if secured["ssl.enabled.protocols"] != "TLSv1.2" || secured["inter.broker.listener.name"] != "INTERNAL" {
		t.Errorf("%v", secured)
	}
}

func TestCertificatesAreForTheirNamesAndUses(t *testing.T) {
	c, err := newCredentials(Secure{TLS: true, MTLS: true})
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(c.node.authority)
	check := func(i identity, name string, use x509.ExtKeyUsage) error {
		_, err := i.certificate.Verify(x509.VerifyOptions{Roots: roots, DNSName: name, KeyUsages: []x509.ExtKeyUsage{use}})
		return err
	}
	for _, name := range []string{"localhost", "127.0.0.1", "::1"} {
		if err := check(c.node, name, x509.ExtKeyUsageServerAuth); err != nil {
			t.Errorf("the node as the server %s: %v", name, err)
		}
	}
	if err := check(c.node, "", x509.ExtKeyUsageClientAuth); err != nil {
		t.Errorf("the node as a client: %v", err)
	}
	if check(c.node, "kafka.example.org", x509.ExtKeyUsageServerAuth) == nil {
		t.Error("the node has a name that is not its own")
	}
	for _, u := range []user{c.admin, c.alice} {
		if err := check(*u.certificate, "", x509.ExtKeyUsageClientAuth); err != nil {
			t.Errorf("%s as a client: %v", u.name, err)
		}
		if check(*u.certificate, "", x509.ExtKeyUsageServerAuth) == nil {
			t.Errorf("%s can pass for a broker", u.name)
		}
		if got := u.certificate.certificate.Subject.String(); got != "CN="+u.name {
			t.Errorf("%s is %s", u.name, got)
		}
	}
	left := time.Until(c.node.certificate.NotAfter)
	if left < validity-2*time.Hour || left > validity {
		t.Errorf("the node's certificate lasts for %v", left)
	}
}

func TestClientsHaveCertificatesOnlyWhereTheBrokerAsks(t *testing.T) {
	c, err := newCredentials(Secure{TLS: true, SASL: security.Plain})
	if err != nil {
		t.Fatal(err)
	}
	if c.admin.certificate != nil || c.alice.certificate != nil {
		t.Error("a client's certificate opens the listener between the nodes")
	}
	if c.admin.password.Reveal() == c.alice.password.Reveal() || len(c.admin.password.Reveal()) < 20 {
		t.Error("the passwords are no good")
	}
}

// TestNodesMeetByTheirCertificatesAlone has a listener like INTERNAL.
func TestNodesMeetByTheirCertificatesAlone(t *testing.T) {
	ours, err := newCredentials(Secure{TLS: true})
	if err != nil {
		t.Fatal(err)
	}
	others, err := newCredentials(Secure{TLS: true})
	if err != nil {
		t.Fatal(err)
	}
	node := ours.asNode().TLS
	roots := x509.NewCertPool()
	roots.AddCert(node.Roots[0])
	listener, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{
		Certificates: []tls.Certificate{*node.Certificate}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: roots,
	})
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	go greet(listener)
	stranger := ours.asNode()
	stranger.TLS.Certificate = nil
	for who, c := range map[string]struct {
		security security.Security
		welcome  bool
	}{
		"a node": {ours.asNode(), true}, "one without a certificate": {stranger, false}, "another cluster's node": {others.asNode(), false},
	} {
		err := hello(t.Context(), c.security, listener.Addr().String())
		if (err == nil) != c.welcome {
			t.Errorf("%s: %v", who, err)
		}
	}
}

// greet answers every connection with one byte, until the listener closes.
func greet(listener net.Listener) {
	for {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		_, _ = conn.Write([]byte{1})
		conn.Close()
	}
}

// hello connects and waits for the byte: with TLS 1.3 only that tells a client that
// its certificate was taken.
func hello(ctx context.Context, s security.Security, address string) error {
	conn, err := s.Dial(ctx, address, 5*time.Second)
	if err != nil {
		return err
	}
	defer conn.Close()
	_, err = conn.Read(make([]byte, 1))
	return err
}

func TestFilesForClientsAreTheirOwnersAloneAndGoTogether(t *testing.T) {
	c, err := newCredentials(Secure{TLS: true, MTLS: true, SASL: security.Plain})
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "clients")
	if err := c.writeClients(dir, []string{"127.0.0.1:9092"}); err != nil {
		t.Fatal(err)
	}
	var names []string
	err = filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		info, infoErr := e.Info()
		if err = errors.Join(err, infoErr); err != nil {
			return err
		}
		if info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s has the mode %v", path, info.Mode())
		}
		if !e.IsDir() {
			names = append(names, e.Name())
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	want := strings.Fields("admin.key admin.p12 admin.pem admin.properties alice.key alice.p12 alice.pem alice.properties ca.pem truststore.jks")
	if diff := cmp.Diff(want, names); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	roots, err := security.LoadTruststore(filepath.Join(dir, truststoreFile), "JKS", c.storePassword)
	if err != nil || len(roots) != 1 || !roots[0].Equal(c.node.authority) {
		t.Errorf("the trust store: %v, %v", roots, err)
	}
	store, err := security.LoadKeystore(filepath.Join(dir, "alice.p12"), "PKCS12", c.storePassword, secret.Text{})
	if err != nil {
		t.Fatal(err)
	}
	pair, err := tls.LoadX509KeyPair(filepath.Join(dir, "alice.pem"), filepath.Join(dir, "alice.key"))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(store.Certificate[0], pair.Certificate[0]) || !c.alice.certificate.key.Equal(store.PrivateKey) || !c.alice.certificate.key.Equal(pair.PrivateKey) {
		t.Error("the key store and the PEM files hold different things")
	}
}

func TestNoCredentialIsPrintedOrInTheState(t *testing.T) {
	c, err := newCredentials(Secure{TLS: true, MTLS: true, SASL: security.ScramSHA256, ACL: true})
	if err != nil {
		t.Fatal(err)
	}
	b := &Broker{config: Config{Kind: Local, Nodes: 1}, folder: &folder{dir: "/state/id"}, credentials: c}
	s := b.State()
	if s.Security != "SASL_SSL, SCRAM-SHA-256, client certificates, ACLs" || s.Super != "User:admin" || s.ClientProperties != "/state/id/clients/admin.properties" {
		t.Errorf("the state: %+v", s)
	}
	state, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	printed := string(state) + fmt.Sprintf("%v %+v %#v %v", *c, *c, *c, b.config)
	for _, text := range []secret.Text{c.admin.password, c.alice.password, c.storePassword} {
		if strings.Contains(printed, text.Reveal()) {
			t.Error("a password is printed")
		}
	}
}

func TestAFailedSecuredBrokerKeepsItsLogsAndNoCredentials(t *testing.T) {
	state := t.TempDir()
	t.Setenv("REDLINE_STATE", state)
	fakeKafka(t, "2026-01-01 ERROR Failed to load the key store (Kafka)")
	_, err := Start(t.Context(), Config{Kind: Local, Secure: Secure{MTLS: true, SASL: security.Plain, ACL: true}})
	if err == nil || !strings.Contains(err.Error(), "Failed to load the key store") {
		t.Fatalf("error %v", err)
	}
	kept := brokerFolders(t, state)
	if len(kept) != 1 || !exists(filepath.Join(kept[0], "logs")) {
		t.Fatalf("kept are %v, want one folder with logs", kept)
	}
	for _, name := range []string{"clients", "conf"} {
		if exists(filepath.Join(kept[0], name)) {
			t.Errorf("%s is still there", name)
		}
	}
	text, err := os.ReadFile(filepath.Join(kept[0], stateFile))
	if err != nil || strings.Contains(string(text), "admin.properties") {
		t.Errorf("the state names a file that is gone: %s, %v", text, err)
	}
}
