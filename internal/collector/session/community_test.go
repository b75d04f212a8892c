package session

import (
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestCommunityID against the vectors that the specification and Zeek publish.
func TestCommunityID(t *testing.T) {
	for _, c := range []struct{ from, to, want string }{
		{"128.232.110.120:34855", "66.35.250.204:80", "1:LQU9qZlK+B5F3KDmev6m5PMibrg="},
		{"1.2.3.4:1122", "5.6.7.8:3344", "1:wCb3OG7yAFWelaUydu0D+125CLM="},
		{"[2001:470:e5bf:dead:4957:2174:e82c:4887]:63943", "[2607:f8b0:400c:c03::1a]:25", "1:/qFaeAR+gFe1KYjMzVDsMv+wgU4="},
	} {
		from, to := netip.MustParseAddrPort(c.from), netip.MustParseAddrPort(c.to)
		require.Equal(t, c.want, communityID(from, to))
		require.Equal(t, c.want, communityID(to, from))
	}
	same := netip.MustParseAddr("10.0.0.1")
	require.Equal(t, communityID(netip.AddrPortFrom(same, 9), netip.AddrPortFrom(same, 8)), communityID(netip.AddrPortFrom(same, 8), netip.AddrPortFrom(same, 9)))
}
