package secure

import (
	"crypto/sha256"
	"crypto/tls"
	"fmt"
	"net"
	"os"
	"slices"
	"sync"
	"syscall"
	"time"
)

// Source has what the files say, and reads them anew when they have changed: a
// renewed certificate or revocation list needs no restart, and a key is not
// decrypted for each peer. What AskPass once said is kept.
type Source struct {
	mu sync.Mutex // guards what follows
	latest
}

// latest is what was read last, and of what.
type latest struct {
	set    Settings
	stamps [4]stamp
	// settled says that what was read is what the stamps are of: a file that has
	// just been written may be written again without being seen to.
	settled bool
	sum     [sha256.Size]byte
	now     *material
	server  *tls.Config
	err     error
}

// Source reads the files for the first time.
func (s Settings) Source() (*Source, error) {
	if ask := s.AskPass; ask != nil && s.HostPass == "" {
		var said []byte // guarded by the Source
		s.AskPass = func(path string) ([]byte, error) {
			if said != nil {
				return slices.Clone(said), nil
			}
			pass, err := ask(path)
			if err == nil {
				said = slices.Clone(pass)
			}
			return pass, err
		}
	}
	src := &Source{latest: latest{set: s}}
	_, err := src.material()
	if err != nil {
		return nil, err
	}
	return src, nil
}

// Adopt has the source be what another is: the configurations that have been made of
// it are of those settings and files from now on. The other one is used up.
func (src *Source) Adopt(other *Source) {
	src.mu.Lock()
	defer src.mu.Unlock()
	src.latest = other.latest
}

// Server returns what a listener is to have.
func (src *Source) Server() *tls.Config {
	cfg := src.base()
	cfg.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) {
		src.mu.Lock()
		defer src.mu.Unlock()
		_, err := src.renew()
		return src.server, err
	}
	return cfg
}

func (src *Source) base() *tls.Config {
	src.mu.Lock()
	defer src.mu.Unlock()
	return src.server.Clone()
}

// Client returns what is needed to connect to a peer whose certificate must be of
// that name, or of any if that is empty.
func (src *Source) Client(name string) *tls.Config {
	cfg := src.base()
	cfg.Certificates = nil
	if net.ParseIP(name) == nil {
		cfg.ServerName = name
	}
	cfg.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
		m, err := src.material()
		if err != nil {
			return nil, err
		}
		if len(m.certs) == 0 {
			return &tls.Certificate{}, nil
		}
		return &m.certs[0], nil
	}
	cfg.VerifyConnection = func(cs tls.ConnectionState) error {
		m, err := src.material()
		if err != nil {
			return err
		}
		return m.verify(cs, name)
	}
	return cfg
}

func (src *Source) material() (*material, error) {
	src.mu.Lock()
	defer src.mu.Unlock()
	return src.renew()
}

// renew returns what the files say now. The lock is held.
func (src *Source) renew() (*material, error) {
	stamps := src.look()
	if src.settled && stamps == src.stamps {
		return src.now, src.err
	}
	read, err := src.set.read()
	src.stamps, src.settled = stamps, src.look() == stamps && old(stamps)
	sum := read.sum()
	switch {
	case err != nil:
		src.now, src.err, src.sum = nil, err, [sha256.Size]byte{}
	case sum != src.sum:
		src.sum = sum
		if src.now, src.err = src.set.parse(read); src.err == nil {
			src.server = src.set.config(src.now)
		}
	}
	return src.now, src.err
}

func (r *read) sum() [sha256.Size]byte {
	h := sha256.New()
	for _, b := range [][]byte{r.ca, r.cert, r.key, r.crl} {
		fmt.Fprintf(h, "%d:", len(b))
		h.Write(b)
	}
	return [sha256.Size]byte(h.Sum(nil))
}

// stamp tells a file from what it was before.
type stamp struct {
	device, inode     uint64
	size              int64
	modified, changed syscall.Timespec
}

func (src *Source) look() (stamps [4]stamp) {
	for i, path := range []string{src.set.CACert, src.set.HostCert, src.set.HostKey, src.set.CRL} {
		if path == "" {
			continue
		}
		info, err := os.Stat(path)
		if err != nil {
			continue
		}
		if st, ok := info.Sys().(*syscall.Stat_t); ok {
			stamps[i] = stamp{uint64(st.Dev), st.Ino, st.Size, st.Mtim, st.Ctim}
		}
	}
	return stamps
}

// old reports whether none of the files has changed in the last two seconds, which
// is more than any file system's clock is coarse.
func old(stamps [4]stamp) bool {
	const coarse = 2 * time.Second
	for _, s := range stamps {
		if s != (stamp{}) && time.Since(time.Unix(s.changed.Unix())) < coarse {
			return false
		}
	}
	return true
}

// Listening returns a configuration for a listener that has the latest of the
// files for each peer.
func (s Settings) Listening() (*tls.Config, error) {
	src, err := s.Source()
	if err != nil {
		return nil, err
	}
	return src.Server(), nil
}
