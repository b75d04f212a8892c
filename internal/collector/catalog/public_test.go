package catalog_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/romanesco-broccoli/romanesco/internal/collector/catalog"
	"github.com/romanesco-broccoli/romanesco/internal/event"
	"github.com/romanesco-broccoli/romanesco/internal/protocol/zeek"
)

func public(t *testing.T) *zeek.Types {
	t.Helper()
	types, err := zeek.ParseTypes(strings.NewReader(catalog.Public), "public.zeek")
	require.NoError(t, err)
	return types
}

// TestPublicPrograms: what they send is known, as many events as they have, with the
// names of their arguments.
func TestPublicPrograms(t *testing.T) {
	c := catalog.Catalog{}
	c.AddDeclared(public(t).Events())
	count := func(prefix, suffix string) int {
		return len(c.Select(func(name string) bool {
			return strings.HasPrefix(name, prefix) && strings.HasSuffix(name, suffix)
		}))
	}
	require.Equal(t, 54, count("", "_3"))
	require.Equal(t, 17, count("sftp_process_", "_3"))
	require.Equal(t, 11, count("Control::", ""))
	require.Equal(t, []string{"ts", "version", "sid", "cid", "channel", "data"}, c["channel_data_client_3"])
	require.Equal(t, []string{"ts", "version", "sid", "cid", "ppid", "old_name", "new_name"}, c["sftp_process_rename_3"])
	require.Equal(t, []string{"cmd"}, c["TimeMachine::command"])
	require.Equal(t, []string{"id", "alert", "msg", "content"}, c["suricata_alert"])
	require.Equal(t, []string{"id", "alert", "msg", "data"}, c["Barnyard2::barnyard_alert"])
	require.Equal(t, []string{"id", "val"}, c["Control::id_value_response"])
	require.Contains(t, c, "Control::shutdown_request")
	require.Empty(t, c["Control::shutdown_request"])
	for name := range c {
		require.True(t, catalog.IsName(name), name)
		require.NotContains(t, catalog.Builtin(), name)
	}
}

// TestRecordsOfBarnyard have the names that its program does not send.
func TestRecordsOfBarnyard(t *testing.T) {
	id := event.Value{Type: event.Record, TypeName: "Barnyard2::PacketID", Elems: []event.Value{
		{Type: event.Addr}, {Type: event.Port}, {Type: event.Addr}, {Type: event.Port},
	}}
	ev := &event.Event{Name: "Barnyard2::barnyard_alert", Args: []event.Value{id}}
	named := public(t).NameFields(ev, nil, func(declared string, why func() string) { t.Fatal(declared, why()) })
	require.Len(t, named, 4)
	require.Equal(t, "src_ip", id.Elems[0].Field)
	require.Equal(t, "dst_p", id.Elems[3].Field)
}
