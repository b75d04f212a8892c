package shared_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/romanesco-broccoli/romanesco/internal/library/ring"
	"github.com/romanesco-broccoli/romanesco/internal/library/shared"
	"github.com/romanesco-broccoli/romanesco/internal/library/spool"
	"github.com/romanesco-broccoli/romanesco/internal/test/layout"
)

const root = "../../.."

// same are the structures of shared.h that are one of Go's, too.
var same = map[string]any{
	"link":         shared.Link{},
	"link_ring":    ring.Header{},
	"link_private": shared.Private{},
	"link_cause":   shared.Cause{},
	"link_message": shared.Message{},
	"link_log":     shared.Log{},
	"link_spool":   spool.Header{},
}

// records are those of which Go reads and writes bytes.
var records = map[string]string{
	"link_record": "size@0+4 kind@4+4 8",
	"link_event":  "rec@0+8 time@8+8 numargs@16+4 namelen@20+4 rawlen@24+4 _@28+4 32",
	"link_raw":    "rec@0+8 len@8+8 16",
	"link_far":    "rec@0+8 at@8+8 size@16+8 24",
}

// TestLayout: front and core of whatever compiler have the same in memory.
func TestLayout(t *testing.T) {
	layout.Each(t, root, "capi/shared.h", func(t *testing.T, h *layout.Header) {
		h.Require(t, map[string]int64{"_Alignof(struct link)": 8, "_Alignof(struct link_spool)": 8}) // for atomic operations
		for _, name := range h.Structs() {
			if want, ok := records[name]; ok {
				require.Equal(t, want, h.Struct(t, name), "struct %s", name)
				continue
			}
			require.Contains(t, same, name, "nothing in Go is struct %s", name)
			require.Equal(t, layout.Of(same[name], map[string]string{"Class": "class_name"}), h.Struct(t, name), "struct %s", name)
		}
	})
}

// TestConstants: they have the same sizes, places and numbers.
func TestConstants(t *testing.T) {
	want := map[string]int64{
		"LINK_RING_BYTES": shared.RingBytes, "LINK_NEAR_MAX": shared.NearMax, "LINK_FAR_MAX": shared.FarMax,
		"LINK_EVENT_MAX": shared.EventMax, "LINK_CLASS_MAX": shared.ClassMax, "LINK_ERROR_MAX": shared.ErrorMax,
		"LINK_SELECTABLE": shared.Selectable, "LINK_MESSAGES": shared.Messages, "LINK_SOCKETS": shared.Sockets,
		"LINK_ADOPTED": shared.Adopted, "LINK_FAR_RING": shared.FarRingBytes, "LINK_AT_IN": shared.AtIn, "LINK_AT_OUT": shared.AtOut,
		"LINK_NEW": int64(shared.New), "LINK_OPENING": int64(shared.Opening), "LINK_UP": int64(shared.Up),
		"LINK_RETRY": int64(shared.Retry), "LINK_DOWN": int64(shared.Down), "LINK_CLOSING": int64(shared.Closing),
		"LINK_CLOSED": int64(shared.Closed),
	}
	layout.Each(t, root, "capi/shared.h", func(t *testing.T, h *layout.Header) {
		h.Require(t, want)
	})
}

// TestMoves: a state can follow another on both sides, or on none.
func TestMoves(t *testing.T) {
	var want strings.Builder
	for from := shared.New; from <= shared.Closed; from++ {
		for to := shared.New; to <= shared.Closed; to++ {
			l := &shared.Link{State: from}
			moved := 0
			if l.Move(to) {
				moved = 1
			}
			fmt.Fprintln(&want, from, to, moved)
		}
	}
	layout.Each(t, root, "capi/shared.h", func(t *testing.T, h *layout.Header) {
		require.Equal(t, want.String(), h.Print(t, `
			for (uint32_t from = LINK_NEW; from <= LINK_CLOSED; from++)
				for (uint32_t to = LINK_NEW; to <= LINK_CLOSED; to++) {
					uint32_t state = from;
					printf("%u %u ", from, to);
					printf("%d\n", link_move(&state, to));
				}`))
	})
}
