package broccoli_test

import (
	"context"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/romanesco-broccoli/romanesco/broccoli"
)

// BenchmarkEvents is an event from one Conn to another in the same process.
func BenchmarkEvents(b *testing.B) {
	for name, confirm := range map[string]bool{"plain": false, "confirmed": true} {
		b.Run(name, func(b *testing.B) {
			l, err := broccoli.Listen("127.0.0.1:0", broccoli.Config{Events: []string{"e"}})
			require.NoError(b, err)
			defer l.Close()
			ctx := context.Background()
			from, err := broccoli.Dial(ctx, l.Addr().String(), broccoli.Config{Confirm: confirm})
			require.NoError(b, err)
			defer from.Close()
			to, err := l.Accept(ctx)
			require.NoError(b, err)
			defer to.Close()
			host, now := netip.MustParseAddr("192.0.2.1"), time.Now()
			b.ReportAllocs()
			b.ResetTimer()
			go func() {
				for i := range b.N {
					if from.Send(ctx, "e", now, "sshd_22", uint64(i), host, broccoli.Port{Number: 22, Proto: broccoli.TCP}) != nil {
						return
					}
				}
			}()
			for range b.N {
				ev, err := to.Receive(ctx)
				require.NoError(b, err)
				var at time.Time
				var sid string
				var cid uint64
				var addr netip.Addr
				var port broccoli.Port
				require.NoError(b, ev.Scan(&at, &sid, &cid, &addr, &port))
			}
			require.NoError(b, from.Flush(ctx))
		})
	}
}
