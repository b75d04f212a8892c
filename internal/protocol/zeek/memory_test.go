package zeek

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/romanesco-broccoli/romanesco/internal/event"
)

// TestDecoderAsksForMemory before it takes some, and gives it back.
func TestDecoderAsksForMemory(t *testing.T) {
	encode := func(args ...event.Value) []byte {
		b, err := encoder().AppendEvent(nil, &event.Event{Name: "e", Args: args})
		require.NoError(t, err)
		return b
	}
	values := encode(many(event.Vector, make([]event.Value, 20_000)...))
	escapes := encode(text(strings.Repeat(`\`, 1<<20)))
	plain := encode(text(strings.Repeat(`x`, 1<<20)))
	// Its type stands behind its data at each level, so that each looks at it twice.
	nested := []byte(`{"type":"data-message","topic":"t",` + strings.Repeat(`"data":[{`, 40) +
		`"@data-type":"string","data":"` + strings.Repeat(`\n`, 1<<19) + `"` + strings.Repeat(`}],"@data-type":"vector"`, 40) + `}`)
	for what, c := range map[string]struct {
		message     []byte
		least, most int
	}{
		"values": {values, 42 * 2_000 * valueSize, 6 * 20_000 * valueSize}, "escapes": {escapes, 1 << 20, 3 << 20},
		"plain": {plain, 0, 64 << 10}, "nested": {nested, 1 << 19, 4 << 20},
	} {
		t.Run(what, func(t *testing.T) {
			d := NewDecoder(Limits{})
			held, highest := 0, 0
			d.Hold = func(bytes int) bool {
				held, highest = bytes, max(highest, bytes)
				return true
			}
			_, err := d.Decode(c.message, &event.Event{})
			require.NoError(t, err)
			require.GreaterOrEqual(t, highest, c.least)
			require.LessOrEqual(t, highest, c.most)
			d.LetGo()
			require.LessOrEqual(t, held, 3*keptOfShared)

			d = NewDecoder(Limits{})
			d.Hold = func(bytes int) bool { return bytes <= max(c.least*2/3, 64<<10) }
			_, err = d.Decode(c.message, &event.Event{})
			if c.least == 0 {
				require.NoError(t, err)
				return
			}
			require.ErrorIs(t, err, ErrLimit)
			require.ErrorContains(t, err, "no memory is left")
			_, err = d.Decode(encode(text("small")), &event.Event{})
			require.NoError(t, err, "the next one is sound")
		})
	}
}
