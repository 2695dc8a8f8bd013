package security

import (
	"crypto/tls"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// Kafka's login modules with their flag, as sasl.jaas.config begins.
const (
	plainModule = "org.apache.kafka.common.security.plain.PlainLoginModule required"
	scramModule = "org.apache.kafka.common.security.scram.ScramLoginModule required"
)

// CheckJava says what of s Java's client properties cannot carry; nil if they carry
// all of it.
func (s Security) CheckJava() error {
	if s.TLS != nil && s.TLS.SkipVerify {
		return errors.New("a file of Java's properties cannot switch the check of the broker's certificate off: give a trust store that has its authority")
	}
	if s.TLS != nil && s.TLS.ServerName != "" {
		return fmt.Errorf("a file of Java's properties cannot expect another name in the broker's certificate than the one dialled (%s): take a client that is built in, such as franz", s.TLS.ServerName)
	}
	if s.SASL == nil {
		return nil
	}
	switch s.SASL.Mechanism {
	case Plain, ScramSHA256, ScramSHA512:
		if !utf8.ValidString(s.SASL.User) || !utf8.ValidString(s.SASL.Password.Reveal()) {
			return errors.New("a file of Java's properties cannot carry a user or password that is no UTF-8")
		}
		return nil
	}
	return fmt.Errorf("a file of Java's properties cannot carry where credentials for %s come from: take a client that is built in, such as franz", s.SASL.Mechanism)
}

// JavaProperties is s in the properties of Java's clients. Certificates and the
// client's key become PEM files below dir, a folder that is there, readable for
// nobody else: truststore.pem, and keystore.pem with the key and its chain. They and
// sasl.jaas.config hold secrets. An error is one of CheckJava, before anything is
// written, or says why a file cannot be.
//
// Without authorities of its own, s trusts the system's and Java those of its JVM.
func (s Security) JavaProperties(dir string) (map[string]string, error) {
	if err := s.CheckJava(); err != nil {
		return nil, err
	}
	properties := map[string]string{"security.protocol": s.Protocol()}
	if s.SASL != nil {
		properties["sasl.mechanism"] = string(s.SASL.Mechanism)
		properties["sasl.jaas.config"] = s.SASL.jaas()
	}
	if s.TLS == nil {
		return properties, nil
	}
	stores, err := s.TLS.javaStores(dir)
	if err != nil {
		return nil, err
	}
	maps.Copy(properties, stores)
	maps.Copy(properties, s.TLS.javaRules())
	return properties, nil
}

// jaas is the login module that gives a user and a password.
func (s *SASL) jaas() string {
	module := scramModule
	if s.Mechanism == Plain {
		module = plainModule
	}
	return fmt.Sprintf("%s username=%s password=%s;", module, quoteJAAS(s.User), quoteJAAS(s.Password.Reveal()))
}

// quoteJAAS writes a word as java.io.StreamTokenizer reads it, which ends a quoted
// one at the end of a line.
func quoteJAAS(text string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`, "\r", `\r`).Replace(text) + `"`
}

// javaStores writes the stores and says where they are.
func (t *TLS) javaStores(dir string) (map[string]string, error) {
	properties := map[string]string{}
	store := func(kind string, content []byte) error {
		path := filepath.Join(dir, kind+".pem")
		properties["ssl."+kind+".type"] = kindPEM
		properties["ssl."+kind+".location"] = path
		return writeOwn(path, content)
	}
	if len(t.Roots) > 0 {
		if err := store("truststore", t.RootsPEM()); err != nil {
			return nil, err
		}
	}
	if t.Certificate == nil {
		return properties, nil
	}
	key, err := t.KeyPEM()
	if err != nil {
		return nil, err
	}
	chain, err := t.CertificatePEM()
	if err != nil {
		return nil, err
	}
	return properties, store("keystore", append([]byte(key.Reveal()), chain...))
}

// javaVersions are Java's names of the TLS versions, the oldest first.
var javaVersions = []struct {
	version uint16
	name    string
}{{tls.VersionTLS10, "TLSv1"}, {tls.VersionTLS11, "TLSv1.1"}, {tls.VersionTLS12, "TLSv1.2"}, {tls.VersionTLS13, "TLSv1.3"}}

// javaRules are how strict t is. Go's list of cipher suites is for TLS 1.2 and older;
// Java's is for all versions, so it gets those of TLS 1.3 too, as far as every Java
// has them.
func (t *TLS) javaRules() map[string]string {
	properties := map[string]string{}
	if t.SkipName {
		properties["ssl.endpoint.identification.algorithm"] = ""
	}
	if t.MinVersion != 0 {
		var names []string
		for _, v := range javaVersions {
			if v.version >= t.MinVersion {
				names = append(names, v.name)
			}
		}
		properties["ssl.enabled.protocols"] = strings.Join(names, ",")
	}
	if len(t.CipherSuites) > 0 {
		names := []string{tls.CipherSuiteName(tls.TLS_AES_128_GCM_SHA256), tls.CipherSuiteName(tls.TLS_AES_256_GCM_SHA384)}
		for _, id := range t.CipherSuites {
			if name := tls.CipherSuiteName(id); !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
		properties["ssl.cipher.suites"] = strings.Join(names, ",")
	}
	return properties
}

// JavaFile is the text of properties, in the order of their keys, that
// java.util.Properties reads as they are.
func JavaFile(properties map[string]string) string {
	var text strings.Builder
	for _, key := range slices.Sorted(maps.Keys(properties)) {
		text.WriteString(escapeProperty(key, true) + "=" + escapeProperty(properties[key], false) + "\n")
	}
	return text.String()
}

// WriteJavaFile writes a JavaFile anew, so that nobody else may read it.
func WriteJavaFile(path string, properties map[string]string) error {
	return writeOwn(path, []byte(JavaFile(properties)))
}

// escapeProperty keeps Java's reader from seeing syntax in what is text, and leaves the
// rest as simpler readers want it.
func escapeProperty(text string, key bool) string {
	var b strings.Builder
	for i, c := range text {
		switch {
		case c == '\\', key && strings.ContainsRune("=:#! ", c), c == ' ' && i == 0:
			b.WriteByte('\\')
			b.WriteRune(c)
		case c < ' ' || c > '~':
			for _, unit := range utf16.Encode([]rune{c}) {
				fmt.Fprintf(&b, `\u%04x`, unit)
			}
		default:
			b.WriteRune(c)
		}
	}
	return b.String()
}

// writeOwn writes a new file that nobody else may read.
func writeOwn(path string, content []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("a file for the connection cannot be made: %w", err)
	}
	_, err = f.Write(content)
	if err = errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("a file for the connection cannot be written: %w", err)
	}
	return nil
}
