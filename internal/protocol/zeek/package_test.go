package zeek

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"romanesco/internal/collector/catalog"
	"romanesco/internal/event"
)

// TestPackage: the package for Zeek takes the events that sensors
// send, each with its arguments.
func TestPackage(t *testing.T) {
	types, err := LoadTypes("../../../zeek/scripts/events.zeek")
	require.NoError(t, err)
	typeOf := map[string]event.Type{
		"ts": event.Time, "sid": event.String, "cid": event.Count, "chan_id": event.Count,
		"server_ip": event.Addr, "server_p": event.Port, "src_ip": event.Addr, "src_p": event.Port,
		"dst_ip": event.Addr, "dst_p": event.Port, "user": event.String, "password": event.String,
		"uid": event.Int, "gid": event.Int, "valid": event.Bool, "s2h": event.Bool, "stype": event.String,
		"line": event.String, "command": event.String, "status": event.Int,
	}
	known, found := catalog.Builtin(), 0
	for name, args := range known {
		if !strings.HasPrefix(name, "sensor_sshd_") {
			continue
		}
		found++
		var params []string
		for _, f := range types.events[name] {
			params = append(params, f.name)
			require.Equal(t, typeOf[f.name], f.of.kind, "%s of %s", f.name, name)
		}
		require.Equal(t, args, params, name)
	}
	require.Equal(t, 16, found)

}
