package session

import (
	"crypto/sha1"
	"encoding/base64"
	"encoding/binary"
	"net/netip"
)

// communityID returns the Community ID, version 1 and seed 0, of a TCP connection: the
// same whichever of the two ends comes first.
func communityID(a, b netip.AddrPort) string {
	const tcp = 6
	if b.Compare(a) < 0 {
		a, b = b, a
	}
	in := []byte{0, 0} // the seed
	in = append(append(in, a.Addr().AsSlice()...), b.Addr().AsSlice()...)
	in = append(in, tcp, 0)
	in = binary.BigEndian.AppendUint16(in, a.Port())
	in = binary.BigEndian.AppendUint16(in, b.Port())
	sum := sha1.Sum(in)
	return "1:" + base64.StdEncoding.EncodeToString(sum[:])
}
