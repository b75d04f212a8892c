package wire

import "strconv"

// MsgType is the first byte of a message.
type MsgType uint8

// The types of messages. From MsgLog on only Bros send them to each other.
const (
	MsgVersion         MsgType = 1
	MsgSerial          MsgType = 2
	MsgClose           MsgType = 3
	MsgCloseAll        MsgType = 4
	MsgError           MsgType = 5
	MsgConnectTo       MsgType = 6
	MsgConnected       MsgType = 7
	MsgRequest         MsgType = 8
	MsgListen          MsgType = 9
	MsgListenStop      MsgType = 10
	MsgStats           MsgType = 11
	MsgCaptureFilter   MsgType = 12
	MsgRequestSync     MsgType = 13
	MsgPhaseDone       MsgType = 14
	MsgPing            MsgType = 15
	MsgPong            MsgType = 16
	MsgCaps            MsgType = 17
	MsgCompress        MsgType = 18
	MsgLog             MsgType = 19
	MsgSyncPoint       MsgType = 20
	MsgTerminate       MsgType = 21
	MsgDebugDump       MsgType = 22
	MsgRemotePrint     MsgType = 23
	MsgLogCreateWriter MsgType = 24
	MsgLogWrite        MsgType = 25
	// MsgRequestLogs does not follow on: Bro counts in hexadecimal and jumps
	// from 0x19 to 0x20.
	MsgRequestLogs MsgType = 32
)

var msgNames = [...]string{
	MsgVersion: "VERSION", MsgSerial: "SERIAL", MsgClose: "CLOSE",
	MsgCloseAll: "CLOSE_ALL", MsgError: "ERROR", MsgConnectTo: "CONNECT_TO",
	MsgConnected: "CONNECTED", MsgRequest: "REQUEST", MsgListen: "LISTEN",
	MsgListenStop: "LISTEN_STOP", MsgStats: "STATS",
	MsgCaptureFilter: "CAPTURE_FILTER", MsgRequestSync: "REQUEST_SYNC",
	MsgPhaseDone: "PHASE_DONE", MsgPing: "PING", MsgPong: "PONG",
	MsgCaps: "CAPS", MsgCompress: "COMPRESS", MsgLog: "LOG",
	MsgSyncPoint: "SYNC_POINT", MsgTerminate: "TERMINATE",
	MsgDebugDump: "DEBUG_DUMP", MsgRemotePrint: "REMOTE_PRINT",
	MsgLogCreateWriter: "LOG_CREATE_WRITER", MsgLogWrite: "LOG_WRITE",
	MsgRequestLogs: "REQUEST_LOGS",
}

// Known says whether Bro has a message of this type.
func (t MsgType) Known() bool { return int(t) < len(msgNames) && msgNames[t] != "" }

// String returns Bro's name of the type.
func (t MsgType) String() string {
	if t.Known() {
		return msgNames[t]
	}
	return "type " + strconv.Itoa(int(t))
}

// HasPayload says whether a second chunk belongs to a message of this type.
// Of an unknown type nothing is known; see Reader for what becomes of it.
func (t MsgType) HasPayload() bool {
	switch t {
	case MsgClose, MsgCloseAll, MsgListenStop, MsgPhaseDone,
		MsgCompress, // inside a Bro it has the level
		MsgTerminate, MsgDebugDump, MsgRequestLogs:
		return false
	}
	return t.Known()
}
