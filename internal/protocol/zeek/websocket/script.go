package websocket

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gobwas/ws"

	"github.com/romanesco-broccoli/romanesco/internal/event"
	"github.com/romanesco-broccoli/romanesco/internal/protocol/delivery"
	"github.com/romanesco-broccoli/romanesco/internal/protocol/zeek"
)

// Confirm is what confirms events: a pong, which says that the server has read
// them, or the script zeek/scripts/confirm.zeek, which says that the
// scripts behind the server have handled them.
type Confirm int

const (
	// ByPong takes pongs.
	ByPong Confirm = iota
	// ByScriptIfAny asks for the script, and takes pongs where it does not answer.
	ByScriptIfAny
	// ByScript sends nothing to a server without the script.
	ByScript
	// ByScriptAgain is ByScriptIfAny to a server whose script has answered before: it is
	// taken for busy, not for one without the script, unless it says so itself.
	ByScriptAgain
)

// Events of the script. Ours go on the topic of the events, so that they come
// behind these; its own on a topic of each client.
const (
	scriptModule    = "BroccoliConfirm::"
	helloEvent      = scriptModule + "hello"     // client: string
	markEvent       = scriptModule + "mark"      // client: string, number: count, batch: count
	hereEvent       = scriptModule + "here"      // client: string
	confirmedEvent  = scriptModule + "confirmed" // client: string, batch: count
	missingEvent    = scriptModule + "missing"   // client: string, number: count
	scriptTopic     = "broccoli/confirm/"
	scriptFile      = "confirm.zeek"
	scriptWait      = 2 * time.Second // for the answer to hello
	busyWait        = 5 * time.Second // the same, of a server that says when it does not know the event
	scriptBatch     = 64              // events before a mark
	scriptUnderWay  = 256             // events that may be under way
	unhandledLooks  = 4
	shortestSilence = 20 * time.Millisecond
)

// errMissing ends a connection: the next one sends again.
var errMissing = errors.New("events were lost on the way to Zeek's scripts")

// script is the agreement about the script that confirms, on a client's connection.
type script struct {
	id      string // what the script knows the connection by; "": it is not asked
	agreed  atomic.Bool
	decided chan struct{}
	once    sync.Once
	marks   uint64 // that were sent; guarded by Conn.mu
	heard   atomic.Int64
}

func (s *script) init(c *Conn) {
	if c.cfg.Journal == nil || c.cfg.Confirm == ByPong || !c.state.ClientSide() {
		return
	}
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	s.id, s.decided = hex.EncodeToString(b[:]), make(chan struct{})
}

// confirms reports whether the script confirms what is sent.
func (s *script) confirms() bool { return s.agreed.Load() }

func (s *script) topic() string { return scriptTopic + s.id }

func (s *script) isDecided() bool {
	select {
	case <-s.decided:
		return true
	default:
		return false
	}
}

// subscription is what the client subscribes to.
func (c *Conn) subscription() zeek.Subscription {
	topics := zeek.Subscription(c.cfg.Subscribe)
	if c.script.id != "" {
		topics = append(topics[:len(topics):len(topics)], c.script.topic())
	}
	return topics
}

// hello asks for the script.
func (c *Conn) hello() error {
	if c.script.id == "" {
		return nil
	}
	return c.write(ws.OpText, c.appendOwn(nil, helloEvent))
}

// appendMark asks for the receipt of a batch: the script has handled what came before.
func (c *Conn) appendMark(b []byte, seq uint32) []byte {
	c.script.marks++
	start := len(b)
	return endFrame(c.appendOwn(beginFrame(b), markEvent, c.script.marks, uint64(seq)), start, ws.OpText, c.state)
}

// appendOwn appends the message of an event of ours for the script.
func (c *Conn) appendOwn(b []byte, name string, counts ...uint64) []byte {
	ev := event.Event{Name: name, Args: []event.Value{{Type: event.String, Bytes: []byte(c.script.id)}}}
	for _, n := range counts {
		ev.Args = append(ev.Args, event.Value{Type: event.Count, Bits: n})
	}
	start := len(b)
	b, _ = c.enc.AppendEvent(b, &ev) // such values have a form
	return pad(b, start-usualHeader, c.dialect.MinFrame)
}

// agree waits until it is known what confirms, with mu held before and after.
func (c *Conn) agree() error {
	if c.script.id == "" {
		return nil
	}
	c.mu.Unlock()
	wait := busyWait
	if c.dialect.DropsOnClose { // Broker
		wait = scriptWait
	}
	if c.cfg.Confirm == ByScriptAgain {
		wait = max(wait, c.cfg.Silence)
	}
	late := time.NewTimer(wait)
	select {
	case <-c.script.decided:
	case <-late.C:
		if c.cfg.Confirm == ByScriptAgain {
			c.mu.Lock()
			return fmt.Errorf("%w: %s, which has confirmed before, does not answer for %v", delivery.ErrSilent, scriptFile, wait)
		}
		c.decide(false, "it does not answer")
	case <-c.closed:
	}
	late.Stop()
	c.mu.Lock()
	if !c.script.confirms() && c.cfg.Confirm == ByScript {
		return fmt.Errorf("nobody confirms: Zeek has not loaded %s where the events are handled", scriptFile)
	}
	c.byScript()
	return nil
}

// byScript lets as much be under way as no queue between the server and the
// scripts drops. It is called with mu held.
func (c *Conn) byScript() {
	if c.script.confirms() {
		c.replay.Patient = true
		c.cfg.Journal.Limit(scriptUnderWay)
	}
}

// decide settles what confirms, for the whole connection.
func (c *Conn) decide(agreed bool, why string) {
	c.script.once.Do(func() {
		if agreed {
			c.script.heard.Store(time.Now().UnixNano())
			c.script.agreed.Store(true)
			go c.watchScript()
		}
		if c.cfg.OnConfirm != nil {
			c.cfg.OnConfirm(agreed, why)
		}
		close(c.script.decided)
	})
}

// agreement takes what concerns the confirmation, and reports whether that was it.
func (c *Conn) agreement(m zeek.Message, ev *event.Event) (bool, error) {
	if !c.state.ClientSide() {
		return c.refuseScript(m, ev)
	}
	if c.script.id == "" {
		return false, nil
	}
	if m.Failure != nil && !c.script.isDecided() { // nothing but the question was sent
		c.decide(false, "it does not know the event")
		return true, nil
	}
	if m.Event == nil || m.Topic != c.script.topic() {
		return false, nil
	}
	return true, c.scriptSays(ev)
}

// refuseScript is for a server that confirms by its pongs all that there is to confirm.
func (c *Conn) refuseScript(m zeek.Message, ev *event.Event) (bool, error) {
	if m.Event == nil || c.cfg.Script || ev.Name != helloEvent {
		return false, nil
	}
	return true, c.complain(ev, errors.New("pongs confirm here"))
}

// scriptSays takes an event of the script's.
func (c *Conn) scriptSays(ev *event.Event) error {
	if len(ev.Args) == 0 || string(ev.Args[0].Bytes) != c.script.id {
		return nil
	}
	switch ev.Name {
	case hereEvent:
		c.decide(true, "")
	case confirmedEvent:
		if len(ev.Args) == 2 && c.script.confirms() {
			c.script.heard.Store(time.Now().UnixNano())
			c.cfg.Journal.Confirm(uint32(ev.Args[1].Bits))
		}
	case missingEvent:
		return errMissing
	}
	return nil
}

// watchScript gives the connection up when the script does not go on confirming.
func (c *Conn) watchScript() {
	if c.cfg.Silence <= 0 {
		return
	}
	tick := time.NewTicker(max(c.cfg.Silence/unhandledLooks, shortestSilence))
	defer tick.Stop()
	for {
		select {
		case <-c.closed:
			return
		case <-tick.C:
		}
		if c.cfg.Journal.Pending() == 0 {
			c.script.heard.Store(time.Now().UnixNano())
			continue
		}
		if time.Since(time.Unix(0, c.script.heard.Load())) > c.cfg.Silence {
			err := fmt.Errorf("%w: %s has confirmed nothing for %v", delivery.ErrSilent, scriptFile, c.cfg.Silence)
			c.lost.CompareAndSwap(nil, &err)
			_ = c.net.Close()
			return
		}
	}
}
