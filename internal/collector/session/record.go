package session

import (
	"container/list"
	"fmt"
	"net/netip"
	"slices"
)

const (
	// maxItems is how many names, commands, forwardings and so on a record has at the most,
	// maxRecordText how many bytes of text in all.
	maxItems      = 100
	maxRecordText = 32 << 10
	// recordCost is what a record takes without its texts, and itemCost one of these.
	recordCost = 1280
	itemCost   = 24
)

// Why the record of a connection is closed, or a line of it is written.
const (
	reasonOpen            = "open"             // it goes on
	reasonClosed          = "closed"           // the sensor has told its end
	reasonTimeout         = "login timeout"    // and that nobody had logged in
	reasonSSHDEnded       = "sshd ended"       // its sensor is gone, after that of sshd
	reasonSSHDRestarted   = "sshd restarted"   // another connection has its number
	reasonSensorRestarted = "sensor restarted" // and it is reported no more
	reasonEndLost         = "end lost"         // its sensor says that none is open
	reasonSensorLost      = "sensor lost"      // its sensor is gone, without a word
	reasonSilent          = "silent"           // nothing was heard of it for very long
	reasonNoRoom          = "no room"          // it had to make room for others
)

// record is what is known of a connection to an sshd.
type record struct {
	sensor *sensor
	order  *list.Element // in that of the owner
	cost   int

	cid         uint64
	began, last float64 // by the sensor's clock: the first and the latest event
	since, seen float64 // the same by ours
	told        float64 // when the latest line was written, by ours
	peer, host  string

	known    bool // who is connected with whom
	src, dst netip.AddrPort

	letIn                           bool
	user                            string
	uid                             int64
	client, method, keyType, key    string
	certID, certCA                  string
	certSerial                      uint64
	failed, rejected                uint64
	failedUsers, types              []string
	commands, asked, forwards       []string
	commandCount, askedCount        uint64
	forwardCount                    uint64
	sftpOps                         []string
	sftpCounts                      []uint64
	linesIn, linesOut               uint64
	bytesIn, bytesOut, bytesLeftOut uint64
	statuses                        []int64
	audited                         bool
	audit                           uint64
	tty, timedOut, cut              bool
	lost                            uint64 // events that the sensor has lost meanwhile
	text                            int    // bytes of all texts
}

// failures returns how often somebody was not let in: sensors tell it in one way or in
// both.
func (r *record) failures() uint64 { return max(r.failed, r.rejected) }

// closing returns why it is closed if the sensor says so.
func (r *record) closing() string {
	if r.timedOut && !r.letIn {
		return reasonTimeout
	}
	return reasonClosed
}

// take adds what a fact says.
func (r *record) take(f *fact) {
	r.last = max(r.last, f.ts)
	switch f.kind {
	case connNew:
		r.known, r.began = true, min(r.began, f.ts)
		r.src = netip.AddrPortFrom(f.addrs[0], uint16(f.nums[1]))
		r.dst = netip.AddrPortFrom(f.addrs[1], uint16(f.nums[2]))
	case authOK:
		r.letIn, r.uid = true, int64(f.nums[1])
		r.set(&r.user, f.texts[0])
	case authFailed:
		r.failed++
		r.addNew(&r.failedUsers, f.texts[0])
	case authTimeout:
		r.timedOut = true
	case authDetail:
		r.authenticated(f)
	case channelNew:
		r.addNew(&r.types, f.texts[0])
	case forwarded:
		r.forwardCount++
		r.add(&r.forwards, forwarding(f), false)
	case forwardAsked:
		r.askedCount++
		r.add(&r.asked, request(f), f.texts[0].cut || f.texts[1].cut || f.texts[2].cut)
	case dataIn:
		r.linesIn++
		r.bytesIn += f.nums[2]
	case dataOut:
		r.linesOut++
		r.bytesOut += f.nums[2]
	case executed:
		r.commandCount++
		r.add(&r.commands, string(f.texts[0].bytes), f.texts[0].cut)
	case channelExit:
		if len(r.statuses) < maxItems {
			r.statuses = append(r.statuses, int64(f.nums[2]))
		} else {
			r.cut = true
		}
	case client:
		r.set(&r.client, f.texts[0])
	case sftp:
		r.bytesOut += f.nums[2]
		r.bytesIn += f.nums[3]
		r.countSFTP(f.texts[0])
	case process:
		r.audited, r.audit = true, f.nums[3]
		r.tty = r.tty || f.nums[5] != 0
	case dataCut:
		r.leftOut(f)
	}
}

// authenticated takes the details of an authentication.
func (r *record) authenticated(f *fact) {
	if f.nums[1] == 0 {
		r.rejected++
		if len(f.texts[0].bytes) > 0 {
			r.addNew(&r.failedUsers, f.texts[0])
		}
		return
	}
	if method := string(f.texts[1].bytes); r.method != "" && r.method != method && len(r.method) < maxText {
		f.texts[1].bytes = []byte(r.method + "," + method) // of several that were wanted
	}
	r.set(&r.method, f.texts[1])
	if len(f.texts[4].bytes) == 0 {
		return
	}
	r.set(&r.keyType, f.texts[3])
	r.set(&r.key, f.texts[4])
	r.set(&r.certID, f.texts[5])
	r.set(&r.certCA, f.texts[6])
	r.certSerial = f.nums[2]
}

// leftOut counts what has passed and was not told.
func (r *record) leftOut(f *fact) {
	bytes, lines := f.nums[2], f.nums[3]
	r.bytesLeftOut += bytes
	if string(f.texts[0].bytes) == "tx" {
		r.bytesIn += bytes
		r.linesIn += lines
		return
	}
	r.bytesOut += bytes
	r.linesOut += lines
}

func (r *record) countSFTP(op text) {
	for i, known := range r.sftpOps {
		if known == string(op.bytes) {
			r.sftpCounts[i]++
			return
		}
	}
	before := len(r.sftpOps)
	if r.add(&r.sftpOps, string(op.bytes), op.cut); len(r.sftpOps) > before {
		r.sftpCounts = append(r.sftpCounts, 1)
	}
}

// forwarding tells one as the lines of Zeek's package do.
func forwarding(f *fact) string {
	arrow := "->"
	if f.nums[4] != 0 {
		arrow = "<-"
	}
	return fmt.Sprintf("%s:%d %s %s:%d", f.addrs[0], f.nums[2], arrow, f.addrs[1], f.nums[3])
}

func request(f *fact) string {
	s := fmt.Sprintf("%s %s %s:%d", f.texts[0].bytes, f.texts[1].bytes, f.texts[2].bytes, f.nums[1])
	if f.nums[2] == 0 {
		s += " refused"
	}
	return s
}

// set takes a text, if there is room for it.
func (r *record) set(to *string, s text) {
	r.cut = r.cut || s.cut
	if !r.hasRoom(len(s.bytes) - len(*to)) {
		return
	}
	*to = string(s.bytes)
}

// add takes a text at the end of others, if there is room for it.
func (r *record) add(to *[]string, s string, cut bool) {
	r.cut = r.cut || cut
	if len(*to) == maxItems {
		r.cut = true
		return
	}
	if r.hasRoom(len(s)) {
		*to = append(*to, s)
		r.cost += itemCost
	}
}

// addNew takes it unless it is there.
func (r *record) addNew(to *[]string, s text) {
	if !slices.Contains(*to, string(s.bytes)) {
		r.add(to, string(s.bytes), s.cut)
	}
}

func (r *record) hasRoom(more int) bool {
	if r.text+more > maxRecordText {
		r.cut = true
		return false
	}
	r.text += more
	r.cost += more
	return true
}

// count reckons what it takes.
func (r *record) count() {
	r.text = 0
	for _, s := range []string{r.user, r.client, r.method, r.keyType, r.key, r.certID, r.certCA} {
		r.text += len(s)
	}
	items := 0
	for _, list := range [][]string{r.failedUsers, r.types, r.commands, r.asked, r.forwards, r.sftpOps} {
		items += len(list)
		for _, s := range list {
			r.text += len(s)
		}
	}
	r.cost = recordCost + len(r.peer) + len(r.host) + r.text + items*itemCost
}
