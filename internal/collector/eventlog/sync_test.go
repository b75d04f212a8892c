package eventlog

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestSyncIsShared(t *testing.T) {
	l, _ := files(t, Settings{Format: FormatJSON})
	a, b := l.Batch(t.Context(), Peer{Addr: "a"}, nil), l.Batch(t.Context(), Peer{Addr: "b"}, nil)
	a.Add(numbered("e", 1), nil)
	require.NoError(t, a.Flush())
	require.Zero(t, l.Stats().Syncs)
	b.Add(numbered("e", 1), nil)
	require.NoError(t, b.Settle())
	require.EqualValues(t, 1, l.Stats().Syncs)
	require.NoError(t, a.Settle())
	require.NoError(t, b.Settle())
	require.EqualValues(t, 1, l.Stats().Syncs, "what b has made safe has that of a in it")
}

func TestSyncAfterEachWrite(t *testing.T) {
	l, _ := files(t, Settings{Format: FormatJSON, Each: true, Sync: Sync{when: onWrite}})
	b := l.Batch(t.Context(), Peer{Addr: "p"}, nil)
	b.Add(numbered("a", 1), nil)
	b.Add(numbered("b", 1), nil)
	require.NoError(t, b.Flush())
	require.EqualValues(t, 2, l.Stats().Syncs)
	times := l.Stats().SyncTimes
	require.Positive(t, times.Sum)
	sum := uint64(0)
	for _, n := range times.Counts {
		sum += n
	}
	require.EqualValues(t, 2, sum)
}

func TestTimes(t *testing.T) {
	var times Times
	for _, d := range []time.Duration{0, time.Millisecond, time.Millisecond + 1, time.Second, time.Minute} {
		times.add(d)
	}
	require.Equal(t, Times{Sum: time.Minute + time.Second + 2*time.Millisecond + 1, Counts: [8]uint64{2, 1, 0, 0, 0, 1, 0, 1}}, times)
}

func TestSyncIsNotAsked(t *testing.T) {
	for _, s := range []string{"never", "1h"} {
		sync, err := ParseSync(s)
		require.NoError(t, err)
		l, _ := files(t, Settings{Format: FormatJSON, Sync: sync})
		b := l.Batch(t.Context(), Peer{Addr: "p"}, nil)
		b.Add(numbered("a", 1), nil)
		require.NoError(t, b.Settle())
		require.Zero(t, l.Stats().Syncs, s)
		require.NoError(t, l.Close())
		require.Equal(t, s != "never", l.Stats().Syncs > 0, s)
	}
}

func TestParseSync(t *testing.T) {
	for s, want := range map[string]Sync{
		"confirm": {}, "always": {when: onWrite}, "never": {when: never}, "2s": {when: onTime, every: 2e9},
	} {
		got, err := ParseSync(s)
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
	for _, s := range []string{"", "yes", "0s", "-1s"} {
		_, err := ParseSync(s)
		require.ErrorContains(t, err, "confirm, always, never, or a duration")
	}
}
