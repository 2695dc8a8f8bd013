package broker

import (
	"bytes"
	"crypto/x509"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/pavlo-v-chernykh/keystore-go/v4"
	"software.sslmate.com/src/go-pkcs12"

	"redline/internal/security"
)

// Files of a secured broker. Java clients read truststore.jks and USER.p12;
// librdkafka and Go read ca.pem, USER.pem and USER.key.
const (
	truststoreFile = "truststore.jks"
	authorityFile  = "ca.pem"
	nodeStore      = "node.pem"
)

// clientFiles are the files of a folder for clients: for each user a Java
// client.properties that Kafka's own tools take, and what it needs.
func (c *credentials) clientFiles(dir string, brokers []string) (map[string]string, error) {
	files := map[string]string{}
	if c.TLS {
		store, err := c.truststore()
		if err != nil {
			return nil, err
		}
		files[filepath.Join(dir, truststoreFile)] = store
		files[filepath.Join(dir, authorityFile)] = string(certificatePEM(c.node.authority))
	}
	for _, u := range []user{c.admin, c.alice} {
		files[filepath.Join(dir, u.name+".properties")] = security.JavaFile(c.clientProperties(u, dir, brokers))
		if u.certificate == nil {
			continue
		}
		store, err := c.keystore(u)
		if err != nil {
			return nil, err
		}
		key, err := u.certificate.keyPEM()
		if err != nil {
			return nil, err
		}
		files[filepath.Join(dir, u.name+".p12")] = store
		files[filepath.Join(dir, u.name+".pem")] = string(u.certificate.certificatePEM())
		files[filepath.Join(dir, u.name+".key")] = string(key)
	}
	return files, nil
}

// clientProperties is how a user connects, in Java's words.
func (c *credentials) clientProperties(u user, dir string, brokers []string) map[string]string {
	p := map[string]string{
		"bootstrap.servers": strings.Join(brokers, ","),
		"security.protocol": c.protocol(),
	}
	if c.TLS {
		p["ssl.truststore.location"] = filepath.Join(dir, truststoreFile)
		p["ssl.truststore.password"] = c.storePassword.Reveal()
		p["ssl.truststore.type"] = "JKS"
	}
	if c.MTLS {
		p["ssl.keystore.location"] = filepath.Join(dir, u.name+".p12")
		p["ssl.keystore.password"] = c.storePassword.Reveal()
		p["ssl.keystore.type"] = "PKCS12"
	}
	if c.SASL != "" {
		p["sasl.mechanism"] = string(c.SASL)
		p["sasl.jaas.config"] = c.clientJAAS(u)
	}
	return p
}

// truststore is the authority's certificate as a Java key store.
func (c *credentials) truststore() (string, error) {
	store := keystore.New()
	err := store.SetTrustedCertificateEntry("ca", keystore.TrustedCertificateEntry{
		CreationTime: time.Now(),
		Certificate:  keystore.Certificate{Type: "X509", Content: c.node.authority.Raw},
	})
	if err != nil {
		return "", fmt.Errorf("write the trust store: %w", err)
	}
	var out bytes.Buffer
	if err := store.Store(&out, []byte(c.storePassword.Reveal())); err != nil {
		return "", fmt.Errorf("write the trust store: %w", err)
	}
	return out.String(), nil
}

// keystore is a user's key and certificate as PKCS#12, encrypted as Java 11 and
// later read it.
func (c *credentials) keystore(u user) (string, error) {
	store, err := pkcs12.Modern.Encode(u.certificate.key, u.certificate.certificate,
		[]*x509.Certificate{u.certificate.authority}, c.storePassword.Reveal())
	if err != nil {
		return "", fmt.Errorf("write the key store of %s: %w", u.name, err)
	}
	return string(store), nil
}

// writeClients fills the folder for clients, which is its owner's alone.
func (c *credentials) writeClients(dir string, brokers []string) error {
	files, err := c.clientFiles(dir, brokers)
	if err != nil {
		return err
	}
	if err := os.Mkdir(dir, 0o700); err != nil {
		return fmt.Errorf("make the folder for clients: %w", err)
	}
	return writeFiles(dir, files)
}

// writeNode writes the certificates of the nodes: the file that is key store, with
// key and certificate, and the one that is trust store.
func (c *credentials) writeNode(dir string) error {
	key, err := c.node.keyPEM()
	if err != nil {
		return err
	}
	return writeFiles(dir, map[string]string{
		filepath.Join(dir, nodeStore):     string(key) + string(c.node.certificatePEM()),
		filepath.Join(dir, authorityFile): string(certificatePEM(c.node.authority)),
	})
}
