package core

import (
	"testing"
	"time"

	"github.com/romanesco-broccoli/romanesco/internal/protocol/delivery"

	"github.com/stretchr/testify/require"
)

// TestRetryIsTheMost: no pause is longer than what is set.
func TestRetryIsTheMost(t *testing.T) {
	for failures := range 1000 {
		require.LessOrEqual(t, backoff(failures, 10*time.Second), 10*time.Second)
	}
}

// TestUseful: that the peer has taken the connection tells nothing.
func TestUseful(t *testing.T) {
	c := &conn{}
	require.False(t, c.useful(firstPause-1, 0))
	require.True(t, c.useful(firstPause, 0))
	require.True(t, c.useful(0, 1))
	c.journal = delivery.NewJournal(journalMax)
	require.False(t, c.useful(0, 0))
	c.journal.Confirm(c.journal.Add([]byte("event"), 1))
	require.True(t, c.useful(0, 0))
	c.journal.Connected()
	require.False(t, c.useful(0, 0), "that was on another connection")
}
