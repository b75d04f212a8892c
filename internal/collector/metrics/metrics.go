// Package metrics shows over HTTP what a collector has counted, for Prometheus,
// and whether it is well. It imports the counts and nothing that counts.
package metrics

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"time"

	"github.com/VictoriaMetrics/metrics"

	"github.com/romanesco-broccoli/romanesco/internal/collector/eventlog"
	"github.com/romanesco-broccoli/romanesco/internal/protocol/traffic"
)

// Facts are what is shown.
type Facts struct {
	Version  string
	Peers    int    // that are connected, or about to be
	Accepted uint64 // handshakes that were done
	Refused  uint64 // and those that failed
	Traffic  traffic.Totals
	// Truncated are the lines that had to be cut.
	Truncated uint64
	// Incoming and Outgoing are bytes that are held of what comes, and of what waits
	// to be sent on; TurnedAway and CutOff are peers.
	Incoming, Outgoing int64
	TurnedAway, CutOff uint64
	Clients            *Clients        // nil if there are none of WebSocket
	Log                *eventlog.Stats // nil if there is no log folder
	LeftOut            uint64          // lines of comm.log, likewise
	Sessions           *Sessions       // nil if they are not written
}

// Sessions are connections to sshds.
type Sessions struct {
	Open           int
	Closed, NoRoom uint64 // that have had their last line, and those of them that had to make room
	Again          uint64 // events that had come before
}

// Clients are those of WebSocket.
type Clients struct {
	Open                int    // that are connected, or about to be
	Accepted, Refused   uint64 // handshakes
	TurnedAway, CutOff  uint64
	EventsIn, EventsOut uint64
	Skipped             uint64 // messages that were refused
}

// Address returns what addr means, which has to be of this host alone unless public.
func Address(addr string, public bool) (*net.TCPAddr, error) {
	at, err := net.ResolveTCPAddr("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("address of the metrics: %w", err)
	}
	if !public && !at.IP.IsLoopback() {
		return nil, fmt.Errorf("address of the metrics: %s can be reached from other hosts, and the metrics are for everyone who asks: use 127.0.0.1 or [::1], or allow it with -metrics-public", addr)
	}
	return at, nil
}

// Listen listens at addr, of which Address says what it may be.
func Listen(addr string, public bool) (net.Listener, error) {
	at, err := Address(addr, public)
	if err != nil {
		return nil, err
	}
	l, err := net.ListenTCP("tcp", at)
	if err != nil {
		return nil, fmt.Errorf("metrics: %w", err)
	}
	return l, nil
}

// What a client may take of ours.
const (
	maxHeader = 8 << 10
	maxTime   = 10 * time.Second
)

// Serve answers until ctx ends. facts is asked each time; healthy returns why it
// is not.
func Serve(ctx context.Context, l net.Listener, facts func() Facts, healthy func() error) error {
	s := http.Server{
		Handler: handler(facts, healthy), MaxHeaderBytes: maxHeader,
		ReadTimeout: maxTime, WriteTimeout: maxTime, IdleTimeout: maxTime,
	}
	stop := context.AfterFunc(ctx, func() { _ = s.Close() })
	defer stop()
	if err := s.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("metrics: %w", err)
	}
	return nil
}

func handler(facts func() Facts, healthy func() error) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /metrics", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
		f := facts()
		f.write(w)
	})
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		if err := healthy(); err != nil {
			w.WriteHeader(http.StatusServiceUnavailable)
			fmt.Fprintln(w, err)
			return
		}
		fmt.Fprintln(w, "ok")
	})
	return mux
}

// write writes everything in the text format.
func (f *Facts) write(w io.Writer) {
	metrics.ExposeMetadata(true) // of what type each is
	metrics.WriteGaugeUint64(w, fmt.Sprintf("broccoli_collector_info{version=%q}", f.Version), 1)
	metrics.WriteGaugeUint64(w, "broccoli_peers", uint64(f.Peers))
	metrics.WriteGaugeUint64(w, "broccoli_incoming_bytes", uint64(max(f.Incoming, 0)))
	metrics.WriteGaugeUint64(w, "broccoli_outgoing_bytes", uint64(max(f.Outgoing, 0)))
	t := &f.Traffic
	metrics.WriteGaugeUint64(w, "broccoli_pending_chunks", uint64(max(t.Pending, 0)))
	for _, c := range []struct {
		name  string
		value uint64
	}{
		{"broccoli_handshakes_total", f.Accepted},
		{"broccoli_handshakes_failed_total", f.Refused},
		{"broccoli_turned_away_total", f.TurnedAway},
		{"broccoli_cut_off_total", f.CutOff},
		{"broccoli_received_bytes_total", t.BytesIn},
		{"broccoli_sent_bytes_total", t.BytesOut},
		{"broccoli_received_chunks_total", t.ChunksIn},
		{"broccoli_sent_chunks_total", t.ChunksOut},
		{"broccoli_reads_total", t.Reads},
		{"broccoli_writes_total", t.Writes},
		{"broccoli_received_events_total", t.EventsIn},
		{"broccoli_sent_events_total", t.EventsOut},
		{"broccoli_undecodable_total", t.Skipped},
		{"broccoli_truncated_lines_total", f.Truncated},
		{"broccoli_ignored_events_total", t.Ignored},
	} {
		metrics.WriteCounterUint64(w, c.name, c.value)
	}
	if f.Clients != nil {
		writeClients(w, f.Clients)
	}
	if f.Log != nil {
		writeLog(w, f.Log)
		metrics.WriteCounterUint64(w, "broccoli_comm_lines_left_out_total", f.LeftOut)
	}
	if s := f.Sessions; s != nil {
		metrics.WriteGaugeUint64(w, "broccoli_sessions_open", uint64(s.Open))
		metrics.WriteCounterUint64(w, "broccoli_sessions_closed_total", s.Closed)
		metrics.WriteCounterUint64(w, "broccoli_sessions_without_room_total", s.NoRoom)
		metrics.WriteCounterUint64(w, "broccoli_sessions_repeated_events_total", s.Again)
	}
	metrics.WriteProcMetrics(w)
	metrics.WriteFDMetrics(w)
}

func writeClients(w io.Writer, c *Clients) {
	metrics.WriteGaugeUint64(w, "broccoli_websocket_clients", uint64(c.Open))
	metrics.WriteCounterUint64(w, "broccoli_websocket_handshakes_total", c.Accepted)
	metrics.WriteCounterUint64(w, "broccoli_websocket_handshakes_failed_total", c.Refused)
	metrics.WriteCounterUint64(w, "broccoli_websocket_turned_away_total", c.TurnedAway)
	metrics.WriteCounterUint64(w, "broccoli_websocket_cut_off_total", c.CutOff)
	metrics.WriteCounterUint64(w, "broccoli_websocket_received_events_total", c.EventsIn)
	metrics.WriteCounterUint64(w, "broccoli_websocket_sent_events_total", c.EventsOut)
	metrics.WriteCounterUint64(w, "broccoli_websocket_refused_messages_total", c.Skipped)
}

func writeLog(w io.Writer, s *eventlog.Stats) {
	metrics.WriteGaugeUint64(w, "broccoli_log_open_files", uint64(s.Open))
	full := uint64(0)
	if s.Full {
		full = 1
	}
	metrics.WriteGaugeUint64(w, "broccoli_log_disk_full", full)
	metrics.WriteCounterUint64(w, "broccoli_log_events_total", s.Events)
	metrics.WriteCounterUint64(w, "broccoli_log_bytes_total", s.Bytes)
	metrics.WriteCounterUint64(w, "broccoli_log_rotations_total", s.Rotations)
	metrics.WriteCounterUint64(w, "broccoli_log_syncs_total", s.Syncs)
	writeSyncTimes(w, &s.SyncTimes)
	metrics.WriteCounterUint64(w, "broccoli_log_errors_total", s.Errors)
}

// writeSyncTimes writes how long fsyncs take as a histogram of Prometheus.
func writeSyncTimes(w io.Writer, s *eventlog.Times) {
	const name = "broccoli_log_sync_seconds"
	fmt.Fprintf(w, "# HELP %[1]s\n# TYPE %[1]s histogram\n", name)
	sum := uint64(0)
	for i, n := range s.Counts {
		sum += n
		bound := "+Inf"
		if i < len(eventlog.TimeBounds) {
			bound = strconv.FormatFloat(eventlog.TimeBounds[i].Seconds(), 'g', -1, 64)
		}
		fmt.Fprintf(w, "%s_bucket{le=%q} %d\n", name, bound, sum)
	}
	fmt.Fprintf(w, "%[1]s_sum %[2]g\n%[1]s_count %[3]d\n", name, s.Sum.Seconds(), sum)
}
