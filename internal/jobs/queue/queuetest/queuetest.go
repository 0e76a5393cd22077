package queuetest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/nats-io/nkeys"
)

// Addresses gives n addresses, HOST:PORT on loopback, at which no server listens.
func Addresses(tb testing.TB, n int) (list []string) {
	tb.Helper()
	for range n {
		l, err := (&net.ListenConfig{}).Listen(tb.Context(), "tcp", "127.0.0.1:0")
		no(tb, err)
		defer l.Close()
		list = append(list, l.Addr().String())
	}
	return list
}

func no(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}

// Authority makes certificates for 127.0.0.1.
type Authority struct {
	tb   testing.TB
	dir  string
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

// NewAuthority makes an authority in a directory of the test.
func NewAuthority(tb testing.TB) *Authority {
	tb.Helper()
	a := &Authority{tb: tb, dir: tb.TempDir()}
	a.cert, a.key = a.make("ca", nil)
	return a
}

// make makes a certificate, signed by the authority or, without one, by itself.
func (a *Authority) make(name string, by *Authority) (*x509.Certificate, *ecdsa.PrivateKey) {
	a.tb.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	no(a.tb, err)
	serial, err := rand.Int(rand.Reader, big.NewInt(1<<62))
	no(a.tb, err)
	c := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-time.Hour),
		NotAfter: time.Now().Add(time.Hour), IsCA: by == nil, BasicConstraintsValid: true, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	parent, signer := c, key
	if by != nil {
		parent, signer = by.cert, by.key
	}
	der, err := x509.CreateCertificate(rand.Reader, c, parent, &key.PublicKey, signer)
	no(a.tb, err)
	private, err := x509.MarshalPKCS8PrivateKey(key)
	no(a.tb, err)
	a.write(name+".pem", "CERTIFICATE", der)
	a.write(name+".key", "PRIVATE KEY", private)
	c, err = x509.ParseCertificate(der)
	no(a.tb, err)
	return c, key
}

func (a *Authority) write(name, kind string, data []byte) {
	a.tb.Helper()
	no(a.tb, os.WriteFile(filepath.Join(a.dir, name), pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: data}), 0o600))
}

// Files makes a certificate and gives the files with it and with its key.
func (a *Authority) Files(name string) (cert, key string) {
	a.tb.Helper()
	a.make(name, a)
	return filepath.Join(a.dir, name+".pem"), filepath.Join(a.dir, name+".key")
}

// CA is the file with the authority's own certificate.
func (a *Authority) CA() string { return filepath.Join(a.dir, "ca.pem") }

// UserKey makes a user's key pair: the public key, and the file with the secret one.
func UserKey(tb testing.TB) (public, file string) {
	tb.Helper()
	pair, err := nkeys.CreateUser()
	no(tb, err)
	public, err = pair.PublicKey()
	no(tb, err)
	seed, err := pair.Seed()
	no(tb, err)
	file = filepath.Join(tb.TempDir(), "user.nk")
	no(tb, os.WriteFile(file, seed, 0o600))
	return public, file
}
