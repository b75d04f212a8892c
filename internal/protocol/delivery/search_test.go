package delivery

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestRefusalsCountForMore: three are enough where the peer says that it is the event.
func TestRefusalsCountForMore(t *testing.T) {
	for end, want := range map[End]int{Refused: 3, Ended: 5, Lost: 0} {
		j := NewJournal(1 << 20)
		j.Add([]byte("ab"), 2)
		split := func(b []byte) [][]byte { return [][]byte{b[:1], b[1:]} }
		ping := func(b []byte, _ uint32) []byte { return b }
		got, ends := 0, 0
		form := Form{Split: split, SetAside: func(m []byte, _ error) error {
			require.Equal(t, "a", string(m))
			got = ends
			return nil
		}}
		for range fruitless - 1 {
			_, err := j.Over(end, errors.New("end"), form)
			require.NoError(t, err)
			j.Connected()
			_, _ = j.Again(nil, 0, ping)
		}
		_, _ = j.Over(end, errors.New("end"), form)
		require.Equal(t, 2, j.Pending())
		for ends = 1; ends < 10 && got == 0; ends++ {
			j.Connected()
			_, fence := j.Again(nil, 0, ping)
			j.Confirm(fence)
			require.False(t, j.Advanced())
			b, _ := j.Again(nil, fence, ping)
			require.Equal(t, "a", string(b))
			_, _ = j.Over(end, errors.New("end"), form)
		}
		require.Equal(t, want, got, end)
		if want > 0 {
			require.Equal(t, 1, j.Pending())
		}
	}
}

// TestSetAsideTakesNoOther: what is confirmed while an event is being written down
// is not forgotten twice.
func TestSetAsideTakesNoOther(t *testing.T) {
	j := NewJournal(1 << 20)
	j.Add([]byte("ab"), 2)
	ping := func(b []byte, _ uint32) []byte { return b }
	form := Form{
		Split:    func(b []byte) [][]byte { return [][]byte{b[:1], b[1:]} },
		SetAside: func([]byte, error) error { j.Confirm(j.batches[0].seq); return nil },
	}
	for range fruitless {
		_, _ = j.Over(Refused, errors.New("end"), form)
		j.Connected()
		j.Unanswered()
		_, _ = j.Again(nil, 0, ping)
	}
	for j.Pending() == 2 {
		b, _ := j.Again(nil, 0, ping)
		require.Equal(t, "a", string(b))
		_, _ = j.Over(Refused, errors.New("end"), form)
		j.Connected()
		j.Unanswered()
	}
	require.Equal(t, 1, j.Pending())
	b, _ := j.Again(nil, 0, ping)
	require.Equal(t, "b", string(b))
}
