package delivery

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestJournalIgnoresStrangeConfirmations(t *testing.T) {
	j := NewJournal(1 << 10)
	again := func() string {
		b, _ := j.Again(nil, 0, func(b []byte, seq uint32) []byte { return append(b, byte('0'+seq)) })
		return string(b)
	}
	j.Add([]byte("one"), 1)
	j.Add([]byte("two"), 2)
	j.Confirm(7)
	j.Confirm(0)
	require.Equal(t, 3, j.Pending())
	require.Equal(t, "one1two2", again())
	j.Confirm(1)
	j.Confirm(1)
	require.Equal(t, 2, j.Pending())
	require.Equal(t, "two2", again())
	j.Confirm(2)
	require.Zero(t, j.Pending())
	require.Empty(t, again())
}

// TestJournalIsBounded: little may be under way at first, then more, up to what
// the journal may hold; and little again on a new connection.
func TestJournalIsBounded(t *testing.T) {
	const most = 5 * BatchSize
	j := NewJournal(most)
	fill := func() (last uint32) {
		for !j.Full() {
			require.Less(t, j.Bytes(), most)
			last = j.Add(make([]byte, 1000), 1)
		}
		return last
	}
	last := fill()
	require.Less(t, j.Bytes(), BatchSize+1000)
	for range 10 {
		j.Confirm(last)
		require.Zero(t, j.Bytes())
		last = fill()
	}
	require.GreaterOrEqual(t, j.Bytes(), most)
	require.Less(t, j.Bytes(), most+1000)
	j.Confirm(last)
	j.Connected()
	next := fill()
	require.Greater(t, next, last, "a receipt of the old connection is none on the new one")
	require.Less(t, j.Bytes(), BatchSize+1000)
}

// TestMarkIsReachedWhenConfirmed, and not before.
func TestMarkIsReachedWhenConfirmed(t *testing.T) {
	j := NewJournal(1 << 20)
	j.Mark(1)
	require.EqualValues(t, 1, j.Marked(), "nothing is without confirmation")
	first := j.Add([]byte("first"), 1)
	j.Mark(2)
	second := j.Add([]byte("second"), 1)
	j.Mark(3)
	require.EqualValues(t, 1, j.Marked())
	j.Confirm(first)
	require.EqualValues(t, 2, j.Marked())
	j.Confirm(second)
	require.EqualValues(t, 3, j.Marked())
}
