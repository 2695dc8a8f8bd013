package security

import (
	"bytes"
	"crypto/sha1"
	"crypto/tls"
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/pavlo-v-chernykh/keystore-go/v4"
	"golang.org/x/crypto/cryptobyte"
	"software.sslmate.com/src/go-pkcs12"

	"redline/internal/secret"
)

const (
	// maxStore bounds a key or trust store, in bytes.
	maxStore = 4 << 20
	// maxRounds bounds the rounds of key derivation that a store asks for in all;
	// keytool and openssl write 2048 to 10 000 for each of its parts.
	maxRounds = 5_000_000
)

// The forms of a store, as Java's ssl.keystore.type names them.
const (
	kindJKS    = "JKS"
	kindPKCS12 = "PKCS12"
	kindPEM    = "PEM"
)

var (
	errWrongPassword = errors.New("the password for it is wrong, or it is damaged")
	errMalformed     = errors.New("it is damaged")
)

// LoadTruststore reads the certificates to trust from a file of at most 4 MiB.
// kind is JKS, PKCS12 or PEM in any case, or "" to tell it by the content; JKS and
// PKCS12 are always told by the content, as Java does. A JKS is read without a
// password too, as in Java; its checksum is then not looked at. An expired
// certificate is no error here: the handshake is where it counts.
func LoadTruststore(path, kind string, password secret.Text) ([]*x509.Certificate, error) {
	roots, err := load(path, kind, func(content []byte, kind string) ([]*x509.Certificate, error) {
		switch kind {
		case kindJKS:
			return jksRoots(content, password)
		case kindPKCS12:
			return pkcs12Roots(content, password)
		}
		return ParseCertificates(content)
	})
	if err != nil {
		return nil, fmt.Errorf("the trust store %s cannot be used: %w", path, err)
	}
	return roots, nil
}

// LoadKeystore reads the client's certificate with its chain and private key from
// a file of at most 4 MiB; kind is as in LoadTruststore. keyPassword is that of the
// key itself: in a JKS it is storePassword if none is given, a PKCS12 has one
// password for all, and a PEM knows only keyPassword. The store must hold one
// private key.
func LoadKeystore(path, kind string, storePassword, keyPassword secret.Text) (*tls.Certificate, error) {
	certificate, err := load(path, kind, func(content []byte, kind string) (*tls.Certificate, error) {
		switch kind {
		case kindJKS:
			return jksPair(content, storePassword, keyPassword)
		case kindPKCS12:
			return pkcs12Pair(content, storePassword)
		}
		return ParseKeyPair(content, secret.New(string(content)), keyPassword)
	})
	if err != nil {
		return nil, fmt.Errorf("the key store %s cannot be used: %w", path, err)
	}
	return certificate, nil
}

// load reads a file and has it parsed as what it is.
func load[T any](path, kind string, parse func(content []byte, kind string) (T, error)) (store T, err error) {
	content, err := readFile(path, maxStore)
	if err != nil {
		return store, err
	}
	kind, err = kindOf(content, kind)
	if err != nil {
		return store, err
	}
	defer recoverParser(&err)
	return parse(content, kind)
}

// readFile reads a regular file of at most limit bytes. A pipe is refused: it
// could not be read again, and waiting for it might never end.
func readFile(path string, limit int64) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is no regular file", path)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	content, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err == nil && int64(len(content)) > limit {
		err = fmt.Errorf("%s is larger than %d KiB", path, limit>>10)
	}
	return content, err
}

// kindOf is what content is, if that agrees with what was said of it.
func kindOf(content []byte, said string) (string, error) {
	said = strings.ToUpper(said)
	var is string
	switch {
	case bytes.HasPrefix(content, []byte{0xFE, 0xED, 0xFE, 0xED}):
		is = kindJKS
	case bytes.HasPrefix(content, []byte{0xCE, 0xCE, 0xCE, 0xCE}):
		return "", errors.New("it is a JCEKS, which is not supported: convert it with keytool -importkeystore -deststoretype PKCS12")
	case len(content) > 0 && content[0] == 0x30: // a DER sequence
		is = kindPKCS12
	case bytes.Contains(content, []byte("-----BEGIN ")):
		is = kindPEM
	default:
		return "", errors.New("it is neither JKS nor PKCS12 nor PEM")
	}
	switch {
	case said != "" && said != kindJKS && said != kindPKCS12 && said != kindPEM:
		return "", fmt.Errorf("stores of the type %q are not supported: use JKS, PKCS12 or PEM", said)
	case said != "" && (said == kindPEM) != (is == kindPEM):
		return "", fmt.Errorf("its type is said to be %s, and it is %s", said, is)
	}
	return is, nil
}

func jksRoots(content []byte, password secret.Text) ([]*x509.Certificate, error) {
	store, err := openJKS(content, password)
	if err != nil {
		return nil, err
	}
	var roots []*x509.Certificate
	for _, alias := range store.Aliases() {
		entry, err := store.GetTrustedCertificateEntry(alias)
		if err != nil {
			continue // a private key: Java does not trust its issuer either
		}
		root, err := x509.ParseCertificate(entry.Certificate.Content)
		if err != nil {
			return nil, fmt.Errorf("the certificate %q in it cannot be read: %w", alias, err)
		}
		roots = append(roots, root)
	}
	if len(roots) == 0 {
		return nil, errors.New("it has no trusted certificate")
	}
	return roots, nil
}

// resealed is a JKS with the checksum that it has when its password is empty.
func resealed(content []byte) []byte {
	const saltOfJKS = "Mighty Aphrodite" // part of the format: sun.security.provider.JavaKeyStore
	body := content[:len(content)-sha1.Size]
	sum := sha1.Sum(append([]byte(saltOfJKS), body...))
	return append(bytes.Clone(body), sum[:]...)
}

func openJKS(content []byte, password secret.Text) (keystore.KeyStore, error) {
	if !isWholeJKS(content) {
		return keystore.KeyStore{}, errMalformed
	}
	if password.IsZero() {
		content = resealed(content)
	}
	store := keystore.New(keystore.WithOrderedAliases(), keystore.WithCaseExactAliases())
	if err := store.Load(bytes.NewReader(content), []byte(password.Reveal())); err != nil {
		return store, errWrongPassword
	}
	return store, nil
}

// isWholeJKS says whether all lengths in a JKS fit the file. The library takes
// them as they are, and 4 bytes could have it ask for 160 GB.
func isWholeJKS(content []byte) bool {
	s := cryptobyte.String(content)
	var version, entries uint32
	if !s.Skip(4) || !s.ReadUint32(&version) || !s.ReadUint32(&entries) {
		return false
	}
	for range entries {
		if !skipJKSEntry(&s, version) {
			return false
		}
	}
	return len(s) == sha1.Size
}

func skipJKSEntry(s *cryptobyte.String, version uint32) bool {
	const privateKey = 1
	var tag uint32
	var text cryptobyte.String
	if !s.ReadUint32(&tag) || !s.ReadUint16LengthPrefixed(&text) || !s.Skip(8) {
		return false
	}
	certificates := uint32(1)
	if tag == privateKey && (!skipLong(s) || !s.ReadUint32(&certificates)) {
		return false
	}
	for range certificates {
		if version == 2 && !s.ReadUint16LengthPrefixed(&text) || !skipLong(s) {
			return false
		}
	}
	return true
}

// skipLong skips what has its length in 4 bytes before it.
func skipLong(s *cryptobyte.String) bool {
	var n uint32
	return s.ReadUint32(&n) && uint64(n) <= uint64(len(*s)) && s.Skip(int(n))
}

func jksPair(content []byte, storePassword, keyPassword secret.Text) (*tls.Certificate, error) {
	store, err := openJKS(content, storePassword)
	if err != nil {
		return nil, err
	}
	if keyPassword.IsZero() {
		keyPassword = storePassword
	}
	var keys []string
	for _, alias := range store.Aliases() {
		if store.IsPrivateKeyEntry(alias) {
			keys = append(keys, alias)
		}
	}
	if len(keys) != 1 {
		return nil, wantsOneKey(keys)
	}
	entry, err := store.GetPrivateKeyEntry(keys[0], []byte(keyPassword.Reveal()))
	if err != nil {
		return nil, errWrongKeyPassword
	}
	key, err := x509.ParsePKCS8PrivateKey(entry.PrivateKey)
	if err != nil {
		return nil, fmt.Errorf("its private key cannot be read: %w", err)
	}
	var chain []*x509.Certificate
	for _, c := range entry.CertificateChain {
		certificate, err := x509.ParseCertificate(c.Content)
		if err != nil {
			return nil, fmt.Errorf("a certificate in it cannot be read: %w", err)
		}
		chain = append(chain, certificate)
	}
	return pair(chain, key)
}

func wantsOneKey(aliases []string) error {
	if len(aliases) == 0 {
		return errors.New("it has no private key")
	}
	return fmt.Errorf("it has %d private keys (%q): give a store with the one to use", len(aliases), aliases)
}

func pkcs12Roots(content []byte, password secret.Text) ([]*x509.Certificate, error) {
	if err := checkRounds(content); err != nil {
		return nil, err
	}
	roots, err := pkcs12.DecodeTrustStore(content, password.Reveal())
	if isWrongPassword(err) {
		return nil, wrongPassword(password)
	}
	if err != nil {
		return nil, fmt.Errorf("it is no PKCS12 of certificates marked as trusted and nothing else (keytool -importcert writes one; openssl does with -nokeys -jdktrust anyExtendedKeyUsage): %w", err)
	}
	return roots, nil
}

func pkcs12Pair(content []byte, password secret.Text) (*tls.Certificate, error) {
	if err := checkRounds(content); err != nil {
		return nil, err
	}
	key, certificate, chain, err := pkcs12.DecodeChain(content, password.Reveal())
	if isWrongPassword(err) {
		return nil, wrongPassword(password)
	}
	if err != nil {
		return nil, err
	}
	chain = append([]*x509.Certificate{certificate}, chain...)
	// The order in a PKCS12 says nothing: the leaf is the one with the key.
	if i := slices.IndexFunc(chain, func(c *x509.Certificate) bool { return belong(key, c) }); i > 0 {
		chain[0], chain[i] = chain[i], chain[0]
	}
	return pair(chain, key)
}

func isWrongPassword(err error) bool {
	return errors.Is(err, pkcs12.ErrIncorrectPassword) || errors.Is(err, pkcs12.ErrDecryption)
}

func wrongPassword(given secret.Text) error {
	if given.IsZero() {
		return errors.New("it has a password, and none is given")
	}
	return errWrongPassword
}

// checkRounds refuses a file whose key derivation would take minutes.
func checkRounds(der []byte) error {
	const deepest = 32
	if rounds(der, deepest) > maxRounds {
		return fmt.Errorf("it asks for more than %d rounds of key derivation", maxRounds)
	}
	return nil
}

// rounds adds up the iteration counts in a DER text. All forms in use (PBES1,
// PBES2, the MAC of PKCS12) have the count as the integer after the salt, which is
// an octet string; and DER may itself stand in an octet string.
func rounds(der []byte, depth int) int64 {
	var total int64
	for salted := false; len(der) > 0 && depth > 0; {
		var v asn1.RawValue
		rest, err := asn1.Unmarshal(der, &v)
		if err != nil {
			break // the parser proper says so
		}
		universal := v.Class == asn1.ClassUniversal
		if salted && universal && v.Tag == asn1.TagInteger {
			total += count(v.FullBytes)
		}
		salted = universal && v.Tag == asn1.TagOctetString
		if salted || v.IsCompound {
			total += rounds(v.Bytes, depth-1)
		}
		der = rest
	}
	return total
}

func count(integer []byte) int64 {
	var n int64
	if _, err := asn1.Unmarshal(integer, &n); err != nil || n > maxRounds {
		return maxRounds + 1
	}
	return max(n, 0)
}
