package security

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/asn1"
	"encoding/pem"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pavlo-v-chernykh/keystore-go/v4"
	"github.com/youmark/pkcs8"
	"software.sslmate.com/src/go-pkcs12"

	"redline/internal/secret"
	"redline/internal/security/securitytest"
)

var keyPassword = secret.New(canary + "-key")

// jks writes roots and the key of each alias, whose password is keyPassword.
func jks(t testing.TB, roots []*x509.Certificate, keys map[string]*tls.Certificate) []byte {
	t.Helper()
	store := keystore.New()
	for _, root := range roots {
		entry := keystore.TrustedCertificateEntry{CreationTime: time.Now(), Certificate: keystore.Certificate{Type: "X509", Content: root.Raw}}
		if err := store.SetTrustedCertificateEntry(root.Subject.CommonName, entry); err != nil {
			t.Fatal(err)
		}
	}
	for alias, certificate := range keys {
		entry := keystore.PrivateKeyEntry{CreationTime: time.Now(), PrivateKey: pkcs8DER(t, certificate.PrivateKey)}
		for _, der := range certificate.Certificate {
			entry.CertificateChain = append(entry.CertificateChain, keystore.Certificate{Type: "X509", Content: der})
		}
		if err := store.SetPrivateKeyEntry(alias, entry, []byte(keyPassword.Reveal())); err != nil {
			t.Fatal(err)
		}
	}
	var b bytes.Buffer
	if err := store.Store(&b, []byte(canary)); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func pkcs8DER(t testing.TB, key any) []byte {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

func pemText(t testing.TB, kind string, der []byte) []byte {
	t.Helper()
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}

func must(t testing.TB) func(content []byte, err error) []byte {
	t.Helper()
	return func(content []byte, err error) []byte {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return content
	}
}

// alice is a client's certificate, whose chain has its authority.
func alice(t testing.TB, a securitytest.Authority) *tls.Certificate {
	t.Helper()
	certificate := issue(t, a, "alice")
	certificate.Certificate = append(certificate.Certificate, a.Certificate.Raw)
	return certificate
}

func TestTruststoresOfAllKindsAreRead(t *testing.T) {
	first, second := securitytest.NewAuthority(t, "first"), securitytest.NewAuthority(t, "second")
	roots := []*x509.Certificate{first.Certificate, second.Certificate}
	store := jks(t, roots, nil)
	texts := append(pemText(t, certificateBlock, first.Certificate.Raw), pemText(t, certificateBlock, second.Certificate.Raw)...)
	for _, test := range []struct {
		name, kind string
		content    []byte
		password   secret.Text
	}{
		{"JKS", "JKS", store, password},
		{"JKS, guessed", "", store, password},
		{"JKS without a password", "jks", store, secret.Text{}},
		{"JKS said to be PKCS12", "PKCS12", store, password},
		{"PKCS12", "PKCS12", must(t)(pkcs12.Modern.EncodeTrustStore(roots, canary)), password},
		{"PKCS12, guessed", "", must(t)(pkcs12.LegacyDES.EncodeTrustStore(roots, canary)), password},
		{"PKCS12 said to be JKS", "JKS", must(t)(pkcs12.LegacyRC2.EncodeTrustStore(roots, canary)), password},
		{"PKCS12 without a password", "", must(t)(pkcs12.Passwordless.EncodeTrustStore(roots, "")), secret.Text{}},
		{"PEM", "PEM", texts, secret.Text{}},
		{"PEM, guessed", "", append([]byte("# what others call a bundle\n"), texts...), secret.Text{}},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := LoadTruststore(file(t, test.content), test.kind, test.password)
			if err != nil {
				t.Fatal(err)
			}
			if !slices.EqualFunc(got, roots, (*x509.Certificate).Equal) {
				t.Errorf("got %d certificates", len(got))
			}
		})
	}
}

func TestKeystoresOfAllKindsAreRead(t *testing.T) {
	ours := securitytest.NewAuthority(t, "ours")
	client := alice(t, ours)
	chain := slices.Concat(pemText(t, certificateBlock, client.Certificate[0]), pemText(t, certificateBlock, ours.Certificate.Raw))
	der := pkcs8DER(t, client.PrivateKey)
	store := jks(t, nil, map[string]*tls.Certificate{"me": client})
	for _, test := range []struct {
		name, kind  string
		content     []byte
		keyPassword secret.Text
	}{
		{"JKS", "JKS", store, keyPassword},
		{"JKS beside a root", "", jks(t, ours.Roots(), map[string]*tls.Certificate{"Me": client}), keyPassword},
		{"PKCS12", "PKCS12", must(t)(pkcs12.Modern.Encode(client.PrivateKey, client.Leaf, ours.Roots(), canary)), secret.Text{}},
		{"PKCS12 said to be JKS", "JKS", must(t)(pkcs12.LegacyDES.Encode(client.PrivateKey, client.Leaf, ours.Roots(), canary)), secret.Text{}},
		{"PEM", "PEM", append(pemText(t, keyBlock, der), chain...), secret.Text{}},
		{"PEM, encrypted", "", append(chain, pemText(t, encryptedKeyBlock, must(t)(pkcs8.MarshalPrivateKey(client.PrivateKey, []byte(keyPassword.Reveal()), nil)))...), keyPassword},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := LoadKeystore(file(t, test.content), test.kind, password, test.keyPassword)
			if err != nil {
				t.Fatal(err)
			}
			if !slices.EqualFunc(got.Certificate, client.Certificate, bytes.Equal) || !bytes.Equal(pkcs8DER(t, got.PrivateKey), der) {
				t.Errorf("got a chain of %d", len(got.Certificate))
			}
		})
	}
}

func TestAJKSOpensWithThePasswordOfItsKeyAlone(t *testing.T) {
	client := issue(t, securitytest.NewAuthority(t, "ours"), "alice")
	store := file(t, jks(t, nil, map[string]*tls.Certificate{"me": client}))
	if _, err := LoadKeystore(store, "", secret.Text{}, keyPassword); err != nil {
		t.Error(err)
	}
}

func TestAJKSKeyHasTheStoresPasswordUnlessItHasItsOwn(t *testing.T) {
	client := issue(t, securitytest.NewAuthority(t, "ours"), "alice")
	store := file(t, jks(t, nil, map[string]*tls.Certificate{"me": client}))
	_, err := LoadKeystore(store, "", password, secret.Text{})
	wants(t, err, "the key store "+store, "the password for it is wrong (ssl.key.password)")
}

func TestPrivateKeysOfAllFormsAreRead(t *testing.T) {
	ours := securitytest.NewAuthority(t, "ours")
	client := issue(t, ours, "alice")
	certificate := pemText(t, certificateBlock, client.Certificate[0])
	sec1 := must(t)(x509.MarshalECPrivateKey(client.PrivateKey.(*ecdsa.PrivateKey)))
	//nolint:staticcheck // SA1019: what we read must be written once.
	legacy, err := x509.EncryptPEMBlock(rand.Reader, "EC PRIVATE KEY", sec1, []byte(canary), x509.PEMCipherAES256)
	if err != nil {
		t.Fatal(err)
	}
	encrypted := pemText(t, encryptedKeyBlock, must(t)(pkcs8.MarshalPrivateKey(client.PrivateKey, []byte(canary), nil)))
	parameters := "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n"
	for name, key := range map[string][]byte{
		"SEC 1":                  pemText(t, "EC PRIVATE KEY", sec1),
		"SEC 1 after parameters": append([]byte(parameters), pemText(t, "EC PRIVATE KEY", sec1)...),
		"PKCS#8":                 pemText(t, keyBlock, pkcs8DER(t, client.PrivateKey)),
		"encrypted PKCS#8":       encrypted,
		"legacy encryption":      pem.EncodeToMemory(legacy),
	} {
		if _, err := ParseKeyPair(certificate, secret.New(string(key)), password); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	wrong := secret.New(canary + "-wrong")
	for name, test := range map[string]struct {
		key      []byte
		password secret.Text
		want     string
	}{
		"encrypted, no password":    {encrypted, secret.Text{}, "no password for it is given (ssl.key.password)"},
		"encrypted, wrong password": {encrypted, wrong, "cannot be decrypted with the password given (ssl.key.password)"},
		"legacy, no password":       {pem.EncodeToMemory(legacy), secret.Text{}, "no password for it is given"},
		"legacy, wrong password":    {pem.EncodeToMemory(legacy), wrong, "the password for it is wrong"},
		"no key":                    {certificate, secret.Text{}, "there is no private key in it"},
		"another's key":             {pemText(t, keyBlock, pkcs8DER(t, issue(t, ours, "bob").PrivateKey)), secret.Text{}, "does not belong to the first certificate"},
		"OpenSSH":                   {pemText(t, "OPENSSH PRIVATE KEY", []byte(canary)), secret.Text{}, "a form that TLS does not use"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := ParseKeyPair(certificate, secret.New(string(test.key)), test.password)
			wants(t, err, test.want)
		})
	}
}

func TestAnRSAKeyIsRead(t *testing.T) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	got, err := parseKey(pemText(t, "RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(key)), secret.Text{})
	if err != nil || !key.Equal(got) {
		t.Errorf("got %T, %v", got, err)
	}
}

func TestAStoreThatCannotBeUsedSaysWhy(t *testing.T) {
	ours := securitytest.NewAuthority(t, "ours")
	client := issue(t, ours, "alice")
	one := jks(t, ours.Roots(), map[string]*tls.Certificate{"me": client})
	two := jks(t, nil, map[string]*tls.Certificate{"b": client, "a": client})
	p12 := must(t)(pkcs12.Modern.Encode(client.PrivateKey, client.Leaf, ours.Roots(), canary))
	trust := must(t)(pkcs12.Modern.EncodeTrustStore(ours.Roots(), canary))
	wrong := secret.New(canary + "-wrong")
	for name, test := range map[string]struct {
		content  []byte
		kind     string
		password secret.Text
		key      bool
		want     string
	}{
		"wrong password, JKS":           {one, "", wrong, false, "password for it is wrong"},
		"wrong password, JKS key":       {one, "", wrong, true, "password for it is wrong"},
		"wrong password, PKCS12":        {trust, "", wrong, false, "password for it is wrong"},
		"wrong password, PKCS12 key":    {p12, "", wrong, true, "password for it is wrong"},
		"no password, PKCS12":           {trust, "", secret.Text{}, false, "it has a password, and none is given"},
		"two keys":                      {two, "", password, true, `it has 2 private keys (["a" "b"])`},
		"no key, JKS":                   {jks(t, ours.Roots(), nil), "", password, true, "it has no private key"},
		"no key, PKCS12":                {trust, "", password, true, "private key missing"},
		"no trusted certificate":        {two, "", password, false, "it has no trusted certificate"},
		"a key store as a trust store":  {p12, "", password, false, "it is no PKCS12 of certificates marked as trusted"},
		"truncated JKS":                 {one[:len(one)-30], "", password, false, "it is damaged"},
		"nothing":                       {nil, "", password, false, "it is neither JKS nor PKCS12 nor PEM"},
		"text":                          {[]byte("hello"), "", password, true, "it is neither JKS nor PKCS12 nor PEM"},
		"JCEKS":                         {[]byte{0xCE, 0xCE, 0xCE, 0xCE, 0, 0, 0, 2}, "JKS", password, true, "it is a JCEKS"},
		"another type":                  {one, "BCFKS", password, true, `stores of the type "BCFKS" are not supported`},
		"PEM that is JKS":               {one, "PEM", password, false, "its type is said to be PEM, and it is JKS"},
		"JKS that is PEM":               {pemText(t, certificateBlock, ours.Certificate.Raw), "JKS", password, false, "its type is said to be JKS, and it is PEM"},
		"PEM without a certificate":     {pemText(t, keyBlock, []byte("x")), "", password, false, "there is no certificate in it"},
		"PEM with half a certificate":   {pemText(t, certificateBlock, ours.Certificate.Raw[:99]), "", password, false, "certificate 1 in it cannot be read"},
		"more than 4 MiB":               {make([]byte, maxStore+1), "", password, false, "is larger than 4096 KiB"},
		"a certificate chain of 160 GB": {hugeJKS, "", password, true, "it is damaged"},
		"rounds for minutes":            {slowPKCS12(t), "", password, true, "more than 5000000 rounds"},
	} {
		t.Run(name, func(t *testing.T) {
			path := file(t, test.content)
			var err error
			if test.key {
				_, err = LoadKeystore(path, test.kind, test.password, secret.Text{})
				wants(t, err, "the key store "+path, test.want)
			} else {
				_, err = LoadTruststore(path, test.kind, test.password)
				wants(t, err, "the trust store ", path, test.want)
			}
		})
	}
}

func TestAPathWithoutAFileSaysSo(t *testing.T) {
	folder := t.TempDir()
	_, err := LoadTruststore(filepath.Join(folder, "none"), "", password)
	wants(t, err, "no such file")
	_, err = LoadKeystore(folder, "", password, secret.Text{})
	wants(t, err, "is no regular file")
}

func TestAnExpiredCertificateIsLoaded(t *testing.T) {
	ours := securitytest.NewAuthority(t, "ours")
	ended := time.Now().Add(-time.Hour)
	client := issue(t, ours, "alice", func(c *x509.Certificate) { c.NotBefore, c.NotAfter = ended.Add(-time.Hour), ended })
	got, err := LoadKeystore(file(t, must(t)(pkcs12.Modern.Encode(client.PrivateKey, client.Leaf, nil, canary))), "", password, secret.Text{})
	if err != nil {
		t.Fatal(err)
	}
	if expires := (&TLS{Certificate: got}).Expires(); expires.Sub(ended).Abs() > time.Second {
		t.Errorf("expires %v", expires)
	}
}

// hugeJKS has a private key with 2³²-1 certificates.
var hugeJKS = slices.Concat(
	[]byte{0xFE, 0xED, 0xFE, 0xED, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 1, 0, 1, 'a'},
	make([]byte, 8), []byte{0, 0, 0, 1, 0x30, 0xFF, 0xFF, 0xFF, 0xFF}, make([]byte, 20),
)

// slowPKCS12 asks for 2³¹-1 rounds for its MAC.
func slowPKCS12(t testing.TB) []byte {
	t.Helper()
	type mac struct {
		Digest asn1.RawValue
		Salt   []byte
		Rounds int
	}
	return must(t)(asn1.Marshal(struct {
		Version int
		Content asn1.RawValue
		MAC     mac
	}{3, asn1.RawValue{FullBytes: []byte{0x30, 0}}, mac{asn1.RawValue{FullBytes: []byte{0x30, 0}}, []byte("salt"), 1<<31 - 1}}))
}

// tool runs a program that may not be there.
func tool(t *testing.T, folder, name string, args ...string) {
	t.Helper()
	if _, err := exec.LookPath(name); err != nil {
		t.Skipf("%s is not installed", name)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = folder
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
}

// pemFiles writes ca.pem, alice.pem (with its chain) and alice.key.
func pemFiles(t *testing.T, a securitytest.Authority, client *tls.Certificate) (folder string) {
	t.Helper()
	folder = t.TempDir()
	ca := pemText(t, certificateBlock, a.Certificate.Raw)
	for name, content := range map[string][]byte{
		"ca.pem": ca, "alice.pem": append(pemText(t, certificateBlock, client.Certificate[0]), ca...),
		"alice.key": pemText(t, keyBlock, pkcs8DER(t, client.PrivateKey)),
	} {
		if err := os.WriteFile(filepath.Join(folder, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return folder
}

func TestStoresOfKeytoolAreRead(t *testing.T) {
	ours := securitytest.NewAuthority(t, "ours")
	client := alice(t, ours)
	folder := pemFiles(t, ours, client)
	source := filepath.Join(folder, "source.p12")
	if err := os.WriteFile(source, must(t)(pkcs12.Modern.Encode(client.PrivateKey, client.Leaf, ours.Roots(), canary)), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, kind := range []string{"JKS", "PKCS12"} {
		t.Run(kind, func(t *testing.T) {
			trust, keys := filepath.Join(folder, "trust."+kind), filepath.Join(folder, "keys."+kind)
			tool(t, folder, "keytool", "-importcert", "-noprompt", "-alias", "Ca", "-file", "ca.pem", "-keystore", trust, "-storetype", kind, "-storepass", canary)
			roots, err := LoadTruststore(trust, "", password)
			if err != nil || len(roots) != 1 || !roots[0].Equal(ours.Certificate) {
				t.Errorf("got %d roots, %v", len(roots), err)
			}
			tool(t, folder, "keytool", "-importkeystore", "-noprompt", "-srckeystore", source, "-srcstoretype", "PKCS12", "-srcstorepass", canary, "-destkeystore", keys, "-deststoretype", kind, "-deststorepass", canary)
			got, err := LoadKeystore(keys, "", password, secret.Text{})
			if err != nil {
				t.Fatal(err)
			}
			if !slices.EqualFunc(got.Certificate, client.Certificate, bytes.Equal) {
				t.Errorf("got a chain of %d", len(got.Certificate))
			}
		})
	}
}

func TestStoresOfOpensslAreRead(t *testing.T) {
	ours := securitytest.NewAuthority(t, "ours")
	client := alice(t, ours)
	folder := pemFiles(t, ours, client)
	for name, options := range map[string][]string{"today's": nil, "old": {"-certpbe", "PBE-SHA1-3DES", "-keypbe", "PBE-SHA1-3DES", "-macalg", "sha1"}} {
		t.Run(name, func(t *testing.T) {
			out := filepath.Join(folder, strings.TrimSuffix(name, "'s")+".p12")
			tool(t, folder, "openssl", append([]string{"pkcs12", "-export", "-in", "alice.pem", "-inkey", "alice.key", "-out", out, "-passout", "pass:" + canary}, options...)...)
			got, err := LoadKeystore(out, "", password, secret.Text{})
			if err != nil {
				t.Fatal(err)
			}
			if !slices.EqualFunc(got.Certificate, client.Certificate, bytes.Equal) {
				t.Errorf("got a chain of %d", len(got.Certificate))
			}
		})
	}
	t.Run("encrypted key", func(t *testing.T) {
		tool(t, folder, "openssl", "pkcs8", "-topk8", "-in", "alice.key", "-out", "encrypted.key", "-passout", "pass:"+canary)
		tool(t, folder, "openssl", "pkcs8", "-topk8", "-scrypt", "-in", "alice.key", "-out", "scrypt.key", "-passout", "pass:"+canary)
		encrypted := must(t)(os.ReadFile(filepath.Join(folder, "encrypted.key")))
		if _, err := parseKey(encrypted, password); err != nil {
			t.Error(err)
		}
		_, err := parseKey(must(t)(os.ReadFile(filepath.Join(folder, "scrypt.key"))), password)
		wants(t, err, "scrypt, which is not supported")
	})
}

func FuzzStores(f *testing.F) {
	ours := securitytest.NewAuthority(f, "ours")
	client := alice(f, ours)
	f.Add(jks(f, ours.Roots(), map[string]*tls.Certificate{"me": client}))
	f.Add(must(f)(pkcs12.Modern.Encode(client.PrivateKey, client.Leaf, ours.Roots(), canary)))
	f.Add(must(f)(pkcs12.Passwordless.EncodeTrustStore(ours.Roots(), "")))
	f.Add(append(pemText(f, certificateBlock, ours.Certificate.Raw), pemText(f, encryptedKeyBlock, must(f)(pkcs8.MarshalPrivateKey(client.PrivateKey, []byte(canary), nil)))...))
	f.Add(hugeJKS)
	f.Add(slowPKCS12(f))
	path := filepath.Join(f.TempDir(), "store")
	f.Fuzz(func(t *testing.T, content []byte) {
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		for _, p := range []secret.Text{{}, password} {
			roots, err := LoadTruststore(path, "", p)
			if (err == nil) != (len(roots) > 0) || err != nil && strings.Contains(err.Error(), canary) {
				t.Errorf("%d roots, %v", len(roots), err)
			}
			pair, err := LoadKeystore(path, "", p, p)
			if (err == nil) != (pair != nil) || err != nil && strings.Contains(err.Error(), canary) {
				t.Errorf("%v, %v", pair, err)
			}
		}
	})
}
