package collect

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/romanesco-broccoli/romanesco/internal/collector/catalog"
	"github.com/romanesco-broccoli/romanesco/internal/collector/policy"
	"github.com/romanesco-broccoli/romanesco/internal/protocol/peer"
)

// retrying returns a destination that is connected to.
func retrying(t *testing.T, port uint16, retry time.Duration) []Destination {
	return []Destination{{Destination: policy.Destination{
		Host: localhost, Port: port, Connect: true, Events: compile(t, "ftp_.*"), AcceptInput: true, Retry: retry,
	}}}
}

// TestChangeOfARetry counts at once: for a connection that is up, and while it is waited
// for the next one.
func TestChangeOfARetry(t *testing.T) {
	for name, before := range map[string]time.Duration{"none before": 0, "long before": time.Hour} {
		for _, waits := range []bool{false, true} {
			if waits && before == 0 {
				continue
			}
			t.Run(name, func(t *testing.T) {
				l, at := listen(t)
				c := start(t, Config{Destinations: retrying(t, at.Port(), before)})
				first := opened(t, accept(t, l), peer.Config{})
				if waits {
					require.NoError(t, first.Close())
					require.Eventually(t, func() bool { return c.gate.Open.Load() == 0 }, patience, time.Millisecond)
					time.Sleep(100 * time.Millisecond)
				}
				c.Change(catalog.Builtin(), retrying(t, at.Port(), 10*time.Millisecond))
				_ = first.Close()
				opened(t, accept(t, l), peer.Config{})
			})
		}
	}
}

// TestNoRetryAnyMore: a destination that loses its retry is not waited for.
func TestNoRetryAnyMore(t *testing.T) {
	l, at := listen(t)
	c := start(t, Config{Destinations: retrying(t, at.Port(), time.Hour)})
	require.NoError(t, opened(t, accept(t, l), peer.Config{}).Close())
	require.Eventually(t, func() bool { return c.gate.Open.Load() == 0 }, patience, time.Millisecond)
	c.Change(catalog.Builtin(), retrying(t, at.Port(), 0))
	require.NoError(t, l.Close()) // a change begins anew with a link that has just ended
	require.Eventually(t, func() bool {
		c.links.mu.Lock()
		defer c.links.mu.Unlock()
		return c.links.active == 1
	}, patience, time.Millisecond)
}

// TestChangeWhileALinkEnds: what it has not looked at makes it begin anew.
func TestChangeWhileALinkEnds(t *testing.T) {
	var ls links
	ls.update(retrying(t, 1, 0))
	ctx, cancel := context.WithCancel(t.Context())
	began, goOn, done := make(chan bool), make(chan bool), make(chan bool)
	connect := func(ctx context.Context, l *link) error {
		require.False(t, l.pause(ctx), "there is no retry")
		began <- true
		<-goOn
		return nil
	}
	go func() {
		defer close(done)
		ls.run(ctx, true, connect)
	}()
	<-began
	ls.update(retrying(t, 1, 0))(connect)
	goOn <- true
	select {
	case <-began:
	case <-time.After(patience):
		t.Fatal("it has ended")
	}
	goOn <- true
	cancel()
	<-done
}
