package server

import (
	"maps"
	"slices"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/romanesco-broccoli/romanesco/internal/library/core"
	"github.com/romanesco-broccoli/romanesco/internal/library/shared"
	"github.com/romanesco-broccoli/romanesco/internal/test/layout"
)

const root = "../../.."

// TestMessages: hosts of 32 and of 64 bits write what is read here.
func TestMessages(t *testing.T) {
	structs := map[string]string{
		"core_attach":  "kind@0+4 with@4+4 version@8+32 " + strconv.Itoa(attachSize),
		"core_message": "kind@0+4 with@4+4 size@8+4 " + strconv.Itoa(messageSize),
		"core_answer":  "result@0+4 4",
	}
	constants := map[string]int64{
		"CORE_VERSION_MAX": 32, "CORE_MESSAGE_MAX": messageMax,
		"CORE_BEGIN": kindBegin, "CORE_ATTACH": kindAttach, "CORE_CONNECT": kindConnect, "CORE_CLOSE": kindClose,
		"CORE_WITH_PROCESS": withProcess, "CORE_WITH_SPOOL": withSpool, "CORE_WITH_SOCKET": withSocket, "CORE_QUIETLY": quietly, "CORE_ELSEWHERE": int64(elsewhere),
	}
	layout.Each(t, root, "capi/core_message.h", func(t *testing.T, h *layout.Header) {
		for _, name := range h.Structs() {
			require.Equal(t, structs[name], h.Struct(t, name), "struct %s", name)
		}
		require.Equal(t, slices.Sorted(maps.Keys(constants)), h.Defined("CORE_"))
		h.Require(t, constants)
	})
}

// TestAnswers: results are the same numbers, and a spool's header has its room.
func TestAnswers(t *testing.T) {
	layout.Each(t, root, "capi/core_call.h", func(t *testing.T, h *layout.Header) {
		h.Require(t, map[string]int64{
			"LINK_REFUSED": 0, "LINK_CONNECTED": int64(core.Connected), "LINK_TRYING": int64(core.Trying),
			"2 * LINK_SPOOL_DATA": spoolFile, "2 * LINK_FAR_RING": farRingsSize, "LINK_AT_OUT": shared.AtOut,
		})
	})
}
