package flat

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/romanesco-broccoli/romanesco/internal/test/layout"
)

const root = "../../.."

// TestLayout: fronts of 32 and of 64 bits write what is read here.
func TestLayout(t *testing.T) {
	layout.Each(t, root, "capi/flat.h", func(t *testing.T, h *layout.Header) {
		require.Equal(t, "size@0+4 type@4+1 _@5+1 namelen@6+2 8", h.Struct(t, "flat_header"))
		require.Equal(t, "count@0+4 _@4+4 8", h.Struct(t, "flat_list"))
		h.Require(t, map[string]int64{
			"sizeof(struct flat_header)": valueHeader, "sizeof(struct flat_list)": listHeader,
			"FLAT_MAX_DEPTH":                   maxDepth,
			"offsetof(BroPort, port_num)":      0,
			"offsetof(BroPort, port_proto)":    8,
			"sizeof(((BroPort *)0)->port_num)": 8,
			"flat_pad(sizeof(BroPort))":        16,
			"sizeof(BroAddr)":                  16,
			"offsetof(BroSubnet, sn_width)":    16,
			"sizeof(BroSubnet)":                20,
		})
	})
	layout.Each(t, root, "capi/shared.h", func(t *testing.T, h *layout.Header) {
		h.Require(t, map[string]int64{
			"LINK_EVENT": KindEvent, "LINK_RAW": KindRaw, "LINK_REQUEST": KindRequest, "LINK_FAR": KindFar,
			"sizeof(struct link_record)": recordHeader, "sizeof(struct link_event)": eventHeader, "sizeof(struct link_far)": FarSize,
		})
	})
}
