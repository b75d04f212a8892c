package metrics

import (
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/romanesco-broccoli/romanesco/internal/collector/eventlog"
	"github.com/romanesco-broccoli/romanesco/internal/protocol/traffic"
)

func get(t *testing.T, facts Facts, health error, path string) *httptest.ResponseRecorder {
	t.Helper()
	w := httptest.NewRecorder()
	handler(func() Facts { return facts }, func() error { return health }).ServeHTTP(w, httptest.NewRequest("GET", path, nil))
	return w
}

// TestEveryFactIsShown, once, with its type.
func TestEveryFactIsShown(t *testing.T) {
	w := get(t, Facts{
		Version: `1.0"`, Peers: 1, Accepted: 2, Refused: 3,
		Incoming: 26, Outgoing: 22, TurnedAway: 23, CutOff: 24,
		Traffic: traffic.Totals{BytesIn: 4, BytesOut: 5, ChunksIn: 6, ChunksOut: 7, Reads: 8, Writes: 9,
			EventsIn: 10, EventsOut: 11, Skipped: 12, Pending: 13, Ignored: 25},
		Truncated: 20, LeftOut: 21,
		Clients: &Clients{Open: 31, Accepted: 32, Refused: 33, TurnedAway: 34, CutOff: 35, EventsIn: 36, EventsOut: 37, Skipped: 38},
		Log: &eventlog.Stats{Events: 14, Bytes: 15, Rotations: 16, Syncs: 17, Errors: 18, Open: 19, Full: true,
			SyncTimes: eventlog.Times{Sum: 1500 * time.Millisecond, Counts: [8]uint64{0: 1, 4: 2, 7: 3}}},
		Sessions: &Sessions{Open: 41, Closed: 42, NoRoom: 43, Again: 44},
	}, nil, "/metrics")
	require.Equal(t, "text/plain; version=0.0.4; charset=utf-8", w.Header().Get("Content-Type"))
	values := map[string]string{}
	for _, m := range regexp.MustCompile(`(?m)^# HELP (broccoli_\S+)\n# TYPE (\S+) (gauge|counter)\n(\S+) (\d+)\n`).FindAllStringSubmatch(w.Body.String(), -1) {
		require.Equal(t, m[1], m[2])
		require.Equal(t, m[3] == "counter", strings.HasSuffix(m[1], "_total"), m[1])
		values[m[4]] = m[5]
	}
	require.Equal(t, map[string]string{
		`broccoli_collector_info{version="1.0\""}`: "1",
		"broccoli_peers": "1",

		"broccoli_websocket_clients":                 "31",
		"broccoli_websocket_handshakes_total":        "32",
		"broccoli_websocket_handshakes_failed_total": "33",
		"broccoli_websocket_turned_away_total":       "34",
		"broccoli_websocket_cut_off_total":           "35",
		"broccoli_websocket_received_events_total":   "36",
		"broccoli_websocket_sent_events_total":       "37",
		"broccoli_websocket_refused_messages_total":  "38",

		"broccoli_handshakes_total":          "2",
		"broccoli_handshakes_failed_total":   "3",
		"broccoli_received_bytes_total":      "4",
		"broccoli_sent_bytes_total":          "5",
		"broccoli_received_chunks_total":     "6",
		"broccoli_sent_chunks_total":         "7",
		"broccoli_reads_total":               "8",
		"broccoli_writes_total":              "9",
		"broccoli_received_events_total":     "10",
		"broccoli_sent_events_total":         "11",
		"broccoli_undecodable_total":         "12",
		"broccoli_pending_chunks":            "13",
		"broccoli_truncated_lines_total":     "20",
		"broccoli_comm_lines_left_out_total": "21",
		"broccoli_log_events_total":          "14",
		"broccoli_log_bytes_total":           "15",
		"broccoli_log_rotations_total":       "16",
		"broccoli_log_syncs_total":           "17",
		"broccoli_log_errors_total":          "18",
		"broccoli_log_open_files":            "19",
		"broccoli_log_disk_full":             "1",
		"broccoli_incoming_bytes":            "26",
		"broccoli_outgoing_bytes":            "22",
		"broccoli_turned_away_total":         "23",
		"broccoli_cut_off_total":             "24",
		"broccoli_ignored_events_total":      "25",

		"broccoli_sessions_open":                  "41",
		"broccoli_sessions_closed_total":          "42",
		"broccoli_sessions_without_room_total":    "43",
		"broccoli_sessions_repeated_events_total": "44",
	}, values)
	for _, line := range []string{
		"# TYPE broccoli_log_sync_seconds histogram",
		`broccoli_log_sync_seconds_bucket{le="0.001"} 1`, `broccoli_log_sync_seconds_bucket{le="0.1"} 1`,
		`broccoli_log_sync_seconds_bucket{le="0.5"} 3`, `broccoli_log_sync_seconds_bucket{le="+Inf"} 6`,
		"broccoli_log_sync_seconds_sum 1.5", "broccoli_log_sync_seconds_count 6",
	} {
		require.Contains(t, w.Body.String(), line+"\n")
	}
	require.NotContains(t, get(t, Facts{}, nil, "/metrics").Body.String(), "broccoli_log_")
	require.NotContains(t, get(t, Facts{}, nil, "/metrics").Body.String(), "broccoli_websocket_")
	require.NotContains(t, get(t, Facts{}, nil, "/metrics").Body.String(), "broccoli_sessions_")
}

func TestHealth(t *testing.T) {
	w := get(t, Facts{}, nil, "/healthz")
	require.Equal(t, http.StatusOK, w.Code)
	require.Equal(t, "ok\n", w.Body.String())
	w = get(t, Facts{}, errors.New("no space left"), "/healthz")
	require.Equal(t, http.StatusServiceUnavailable, w.Code)
	require.Equal(t, "no space left\n", w.Body.String())
	require.Equal(t, http.StatusNotFound, get(t, Facts{}, nil, "/").Code)
}

func TestOnlyThisHostUnlessAllowed(t *testing.T) {
	for _, addr := range []string{"127.0.0.1:0", "127.1.2.3:0", "localhost:0"} {
		l, err := Listen(addr, false)
		require.NoError(t, err, addr)
		require.True(t, l.Addr().(*net.TCPAddr).IP.IsLoopback())
		require.NoError(t, l.Close())
	}
	for _, addr := range []string{":0", "0.0.0.0:0", "[::]:0", "192.0.2.1:0"} {
		_, err := Listen(addr, false)
		require.ErrorContains(t, err, addr+" can be reached from other hosts", addr)
	}
	l, err := Listen("0.0.0.0:0", true)
	require.NoError(t, err)
	require.NoError(t, l.Close())
}
