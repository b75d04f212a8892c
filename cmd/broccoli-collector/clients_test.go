package main

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"
	"github.com/stretchr/testify/require"

	"github.com/romanesco-broccoli/romanesco/internal/event"
	"github.com/romanesco-broccoli/romanesco/internal/protocol/zeek"
)

// rawClient upgrades a stream to a WebSocket, once there is room for one, and does
// nothing else by itself.
func rawClient(t *testing.T, addr string) (nc net.Conn) {
	t.Helper()
	require.Eventually(t, func() bool {
		var err error
		nc, _, _, err = ws.Dial(t.Context(), "ws://"+addr+zeek.Path)
		return err == nil
	}, deadline, 50*time.Millisecond)
	t.Cleanup(func() { _ = nc.Close() })
	require.NoError(t, nc.SetDeadline(time.Now().Add(deadline)))
	return nc
}

// subscribed is one that has done what comes first.
func subscribed(t *testing.T, addr string, topics ...string) net.Conn {
	t.Helper()
	nc := rawClient(t, addr)
	require.NoError(t, wsutil.WriteClientText(nc, zeek.Subscription(topics).AppendTo(nil)))
	b, _, err := wsutil.ReadServerData(nc)
	require.NoError(t, err)
	require.Contains(t, string(b), `"type":"ack"`)
	return nc
}

// readFrame reads a frame of the server's.
func readFrame(nc net.Conn) (op ws.OpCode, payload []byte, err error) {
	h, err := ws.ReadHeader(nc)
	if err != nil {
		return 0, nil, err
	}
	payload = make([]byte, min(h.Length, 16<<20))
	_, err = io.ReadFull(nc, payload)
	return h.OpCode, payload, err
}

// farewell returns the status and the reason with which the collector ends the
// connection, after whatever else it says.
func farewell(t *testing.T, nc net.Conn) (code ws.StatusCode, reason string) {
	t.Helper()
	for {
		op, payload, err := readFrame(nc)
		require.NoError(t, err)
		if op == ws.OpClose {
			_, err := io.Copy(io.Discard, nc)
			require.NoError(t, err, "it is not reset")
			return ws.ParseCloseFrameData(payload)
		}
	}
}

// refusal returns the answer to a request to become a client.
func refusal(t *testing.T, addr, origin string) (*http.Response, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+addr+zeek.Path, nil)
	require.NoError(t, err)
	for name, value := range map[string]string{
		"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
	} {
		r.Header.Set(name, value)
	}
	if origin != "" {
		r.Header.Set("Origin", origin)
	}
	answer, err := http.DefaultTransport.RoundTrip(r)
	require.NoError(t, err)
	defer answer.Body.Close()
	if answer.StatusCode == http.StatusSwitchingProtocols {
		return answer, ""
	}
	b, err := io.ReadAll(answer.Body)
	require.NoError(t, err)
	return answer, string(b)
}

// TestSilentStrangersLeaveClientsIn: who connects and says nothing has no place for
// long; who comes meanwhile is told to come later, and the operator is told once.
func TestSilentStrangersLeaveClientsIn(t *testing.T) {
	t.Parallel()
	c, addr := startZeek(t, "-zeek-max-clients", "4")
	for range 4 + 40 { // which are beyond what is waited for at a time
		nc, err := net.Dial("tcp", addr)
		require.NoError(t, err)
		defer nc.Close()
	}
	for range 20 {
		answer, says := refusal(t, addr, "")
		require.Equal(t, http.StatusServiceUnavailable, answer.StatusCode)
		require.Equal(t, "30", answer.Header.Get("Retry-After"))
		require.Contains(t, says, "as many WebSocket clients as may be")
	}
	_ = rawClient(t, addr)
	_, said := c.end(t, syscall.SIGTERM)
	require.Equal(t, 1, strings.Count(said, "turned away"), said)
	require.Contains(t, said, "4 WebSocket clients are connected, and no more may: ")
}

// TestDeadClientsLoseTheirPlace: those that answer no ping. Those that do may be
// silent for as long as they like.
func TestDeadClientsLoseTheirPlace(t *testing.T) {
	t.Parallel()
	c, addr := startZeek(t, "-zeek-max-clients", "2", "-zeek-silence", "1s")
	quiet := webSocketClient(t, addr, "t", "t")
	ended := make(chan error, 1)
	go func() { ended <- quiet.Next(new(event.Event)) }()
	for range 2 {
		code, reason := farewell(t, subscribed(t, addr))
		require.Equal(t, ws.StatusInternalServerError, code, "as Zeek has it")
		require.Contains(t, reason, "has not answered for 1s")
	}
	select {
	case err := <-ended:
		t.Fatal("the one that answers is ended: ", err)
	default:
	}
	require.NoError(t, quiet.Close())
	code, said := c.end(t, syscall.SIGTERM)
	require.Zero(t, code, said)
}

// TestPagesInABrowser are no clients, unless their origin is listed.
func TestPagesInABrowser(t *testing.T) {
	t.Parallel()
	_, addr := startZeek(t, "-zeek-origins", "https://console.example, http://127.0.0.1:8080")
	for _, origin := range []string{"https://evil.example", "null", "http://" + addr, "https://console.example:444"} {
		answer, says := refusal(t, addr, origin)
		require.Equal(t, http.StatusForbidden, answer.StatusCode, origin)
		require.Contains(t, says, "-zeek-origins")
	}
	for _, origin := range []string{"", "https://console.example", "http://127.0.0.1:8080"} {
		answer, _ := refusal(t, addr, origin)
		require.Equal(t, http.StatusSwitchingProtocols, answer.StatusCode, origin)
	}
	for _, wrong := range []string{"console.example", "https://console.example/", "*", ""} {
		out, err := exec.Command(program, "check", "-zeek-origins", wrong).CombinedOutput()
		require.Error(t, err)
		require.Contains(t, string(out), "not of the form https://host:port")
	}
}

// TestClientsLearnWhy their connections end.
func TestClientsLearnWhy(t *testing.T) {
	t.Parallel()
	c, addr := startZeek(t)
	header := func(h ws.Header) []byte {
		var b bytes.Buffer
		require.NoError(t, ws.WriteHeader(&b, h))
		return b.Bytes()
	}
	closeFrame := func(code ws.StatusCode, reason string) []byte {
		return ws.MustCompileFrame(ws.MaskFrame(ws.NewCloseFrame(ws.NewCloseFrameBody(code, reason))))
	}
	for _, w := range []struct {
		what   string
		first  bool // before the subscription
		sends  []byte
		code   ws.StatusCode
		reason string
	}{
		{"good-bye", false, closeFrame(1000, ""), 1000, ""},
		{"good-bye of an application", false, closeFrame(3000, "bye"), 1000, ""},
		{"good-bye at last", false, closeFrame(4999, ""), 1000, ""},
		{"good-bye at first", true, closeFrame(1000, ""), 1000, ""},
		{"good-bye without a code", false, ws.MustCompileFrame(ws.MaskFrame(ws.NewCloseFrame(nil))), 1000, ""},
		{"a complaint", false, closeFrame(1003, "x"), 1003, ""},
		{"later", false, closeFrame(1013, "x"), 1013, ""},
		{"half a code", false, ws.MustCompileFrame(ws.MaskFrame(ws.NewCloseFrame([]byte("x")))), 1002, "close frame"},
		{"no code yet", false, closeFrame(999, ""), 1002, "(999)"},
		{"a code without a meaning", false, closeFrame(1004, ""), 1002, "(1004)"},
		{"the code of no code", false, closeFrame(1005, ""), 1002, "(1005)"},
		{"the code of no close frame", false, closeFrame(1006, ""), 1002, "(1006)"},
		{"a code that there is not", false, closeFrame(1016, ""), 1002, "(1016)"},
		{"no code any more", true, closeFrame(5000, ""), 1002, "(5000)"},
		{"no UTF-8", false, closeFrame(1000, "\xff\xfe"), 1007, "not UTF-8"},
		{"negative length", false, append([]byte{0x81, 0xff, 0x80}, make([]byte, 11)...), 1002, "most significant bit"},
		{"no mask", false, header(ws.Header{Fin: true, OpCode: ws.OpText, Length: 0}), 1002, "must be masked"},
		{"reserved bits", false, header(ws.Header{Fin: true, Rsv: 4, OpCode: ws.OpText, Masked: true, Length: 20_000}), 1002, "rsv bits"},
		{"too large", false, append(header(ws.Header{Fin: true, OpCode: ws.OpText, Masked: true, Length: 17 << 20}), make([]byte, 1<<20)...), 1009, "too large"},
		{"no filter", true, ws.MustCompileFrame(ws.MaskFrame(ws.NewTextFrame([]byte(`{"x":1}`)))), 1007, "subscription: "},
		{"large filter", true, header(ws.Header{Fin: true, OpCode: ws.OpText, Masked: true, Length: 2 << 20}), 1009, "too large"},
		{"many topics", true, ws.MustCompileFrame(ws.MaskFrame(ws.NewTextFrame(zeek.Subscription(make([]string, 1025)).AppendTo(nil)))), 1009, "more than 1024"},
		{"no subscription", true, nil, 1008, "no subscription came in time"},
	} {
		t.Run(w.what, func(t *testing.T) {
			nc := rawClient(t, addr)
			if !w.first {
				nc = subscribed(t, addr)
			}
			_, err := nc.Write(w.sends)
			require.NoError(t, err)
			if w.what == "too large" { // it goes on until it has seen the answer
				time.Sleep(50 * time.Millisecond)
				for range 2 {
					_, err = nc.Write(make([]byte, 1<<20))
					require.NoError(t, err)
				}
			}
			code, reason := farewell(t, nc)
			require.Equal(t, w.code, code, reason)
			require.Contains(t, reason, w.reason)
		})
	}
	nc := subscribed(t, addr)
	_, said := c.end(t, syscall.SIGTERM)
	code, reason := farewell(t, nc)
	require.Equal(t, "1001 going away", fmt.Sprint(int(code), " ", reason), said)
}

// TestMetricsOfWebSocketClients: they are counted, and so is what passes.
func TestMetricsOfWebSocketClients(t *testing.T) {
	t.Parallel()
	c, addr := startZeek(t, "-log-dir", t.TempDir(), "-metrics", "127.0.0.1:0", "-zeek-max-clients", "2")
	url := regexp.MustCompile(`http://127\.0\.0\.1:\d+`).FindString(c.passed)
	require.NotEmpty(t, url, c.passed)
	shows := func(lines ...string) {
		t.Helper()
		require.Eventually(t, func() bool {
			_, body := get(t, url+"/metrics")
			return !slices.ContainsFunc(lines, func(line string) bool { return !strings.Contains(body, "broccoli_websocket_"+line+"\n") })
		}, deadline, 20*time.Millisecond)
	}
	_, _ = refusal(t, addr, "https://evil.example")
	shows("clients 0", "handshakes_failed_total 1")
	one, two := webSocketClient(t, addr, "t"), webSocketClient(t, addr, "t", "t")
	answer, _ := refusal(t, addr, "")
	require.Equal(t, http.StatusServiceUnavailable, answer.StatusCode)
	require.NoError(t, one.SendMessage([]byte(`{"type":"nonsense"}`)))
	require.NoError(t, one.Send(numbered("exec", 1)))
	require.NoError(t, one.Flush())
	require.NoError(t, two.Next(new(event.Event)))
	shows("clients 2", "handshakes_total 2", "handshakes_failed_total 1", "turned_away_total 1", "cut_off_total 0",
		"received_events_total 1", "sent_events_total 1", "refused_messages_total 1")
}
