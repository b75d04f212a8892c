package peer

import (
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/romanesco-broccoli/romanesco/internal/event"
	"github.com/romanesco-broccoli/romanesco/internal/protocol/arrival"
	"github.com/romanesco-broccoli/romanesco/internal/protocol/delivery"
	"github.com/romanesco-broccoli/romanesco/internal/protocol/wire"
)

// TestMessagesThatAreBegun have to be ended in time, compressed or not. The time that
// we take ourselves is not counted.
func TestMessagesThatAreBegun(t *testing.T) {
	const within = 300 * time.Millisecond
	for _, c := range []struct{ level, last int }{{0, 6}, {0, 12}, {5, 6}, {5, 12}} {
		level := c.level
		var busy atomic.Bool
		sends, takes := pair(t, Config{Compression: level}, Config{
			Requests: []string{"e"}, Decompress: true, MessageTime: within,
			Sparing: true,
		})
		b, err := (&wire.Encoder{}).AppendEvent(nil, &event.Event{Name: "e", Args: []event.Value{
			{Type: event.String, Bytes: make([]byte, 1000)},
		}})
		require.NoError(t, err)
		if sends.zip != nil {
			b = sends.zip.Append(nil, b)
		}
		require.Equal(t, level > 0, sends.zip != nil)
		got := make(chan error, 2)
		go func() {
			var ev event.Event
			for {
				kind, err := takes.Step(&ev)
				if kind == arrival.Drained {
					if busy.Swap(false) {
						time.Sleep(2 * within)
					}
					continue
				}
				got <- err
				if err != nil {
					return
				}
			}
		}()
		write := func(b []byte) {
			_, err := sends.net.Write(b)
			require.NoError(t, err)
		}
		time.Sleep(2 * within) // between messages there is no hurry
		busy.Store(true)       // before the rest is read
		write(b[:len(b)/2])
		time.Sleep(within / 3)
		write(b[len(b)/2:])
		require.NoError(t, <-got)
		write(b[:c.last]) // a part of the header, or that alone
		begun := time.Now()
		require.ErrorIs(t, <-got, delivery.ErrSilent)
		require.GreaterOrEqual(t, time.Since(begun), within/2)
	}
}
