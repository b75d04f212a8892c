package core

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/romanesco-broccoli/romanesco/internal/protocol/zeek/websocket"
	"github.com/romanesco-broccoli/romanesco/internal/secure"
)

// Settings are what the host wants of a connection: struct core_config.
type Settings struct {
	peer, class    string
	socket         int // connected already, to take a copy of; -1: none
	toCore, toHost int // what wakes core and host; copies are taken
	program        string
	pid            int
	requests       []byte
	cache, debug   bool
	log            *uint32 // while it is not 0, the host takes messages itself
	reconnect      bool
	background     bool // do not wait for the first attempt
	anew           bool // end a connection that is up, and connect again
	confirm        bool
	timeout, retry time.Duration
	silence        time.Duration    // 0: the peer may be silent for ever
	secure         *secure.Settings // nil: in the clear
	statsEach      time.Duration    // 0: no statistics
	statsFile      string           // "": where debugging goes
	refusedFile    string           // where events go that the peer refuses; "": nowhere
	zeek           *zeekSettings    // nil: the peer speaks Bro's protocol
	spool          spoolSettings
	user, sandbox  string // of a core that is a process of its own
	listen         string // a path by which other processes find it
	share          bool   // connections of its hosts that are for the same are one
}

// LogTo has messages go into the link's log while *word is not 0.
func (s *Settings) LogTo(word *uint32) { s.log = word }

// Wake sets the descriptors that wake core and host, and the socket that was given, or -1.
func (s *Settings) Wake(toCore, toHost, socket int) {
	s.toCore, s.toHost, s.socket = toCore, toHost, socket
	s.settle()
}

// Listen returns the path by which other processes are to find the core, "" for none.
func (s *Settings) Listen() string { return s.listen }

// Share reports whether connections of several hosts that are for the same are to be one.
func (s *Settings) Share() bool { return s.share && s.socket < 0 && s.spool.folder == "" }

// Confirms reports whether the peer is to confirm events.
func (s *Settings) Confirms() bool { return s.confirm }

// Requests are the names of the events to ask for.
func (s *Settings) Requests() []string { return names(s.requests) }

// Quietly has nobody wait for the first attempt.
func (s *Settings) Quietly() {
	s.background = true
	s.settle()
}

// settle follows from a socket that was given: it cannot be made anew.
func (s *Settings) settle() {
	s.reconnect = s.reconnect && s.socket < 0
	s.background = s.background && s.socket < 0
}

// ErrSettings says that what the host wants cannot be read.
var ErrSettings = errors.New("the settings of a connection do not hold together")

// values are settings by name. The first that cannot be read is noted.
type values struct {
	by  map[string]string
	err error
}

// ParseSettings reads what config_text() of the front has written: names and values in turn,
// each with a NUL, and behind an empty name the events to ask for, each with a NUL.
func ParseSettings(b []byte) (Settings, error) {
	v := values{by: make(map[string]string)}
	for len(b) > 0 {
		name, rest, ok := bytes.Cut(b, []byte{0})
		if len(name) == 0 && ok {
			return v.settings(rest)
		}
		value, rest, ok := bytes.Cut(rest, []byte{0})
		if !ok {
			break
		}
		v.by[string(name)], b = string(value), rest
	}
	return Settings{}, fmt.Errorf("%w: they end early", ErrSettings)
}

func (v *values) number(name string, least int64) int64 {
	text, given := v.by[name]
	if !given {
		return least
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if (err != nil || n < least) && v.err == nil {
		v.err = fmt.Errorf("%w: %s %q", ErrSettings, name, text)
	}
	return n
}

func (v *values) is(name string) bool { return v.number(name, 0) != 0 }

func (v *values) time(name string, unit time.Duration) time.Duration {
	n := v.number(name, 0)
	if n > int64(100*365*24*time.Hour/unit) {
		n = 0
		v.err = fmt.Errorf("%w: %s %q", ErrSettings, name, v.by[name])
	}
	return time.Duration(n) * unit
}

func (v *values) settings(requests []byte) (Settings, error) {
	s := Settings{
		peer: v.by["peer"], class: v.by["class_name"],
		socket: -1, toCore: -1, toHost: -1,
		program: v.by["program"], pid: int(v.number("pid", 0)),
		requests: bytes.Clone(requests),
		cache:    v.is("use_cache"), debug: v.is("debug"),
		reconnect: v.is("reconnect"), background: v.is("background"), anew: v.is("anew"),
		confirm: v.is("confirm"),
		timeout: v.time("timeout_ms", time.Millisecond), retry: v.time("retry_ms", time.Millisecond),
		silence:   v.time("silence_ms", time.Millisecond),
		statsEach: v.time("stats_s", time.Second), statsFile: v.by["stats_file"],
		refusedFile: v.by["refused_file"],
		user:        v.by["core_user"], sandbox: v.by["core_sandbox"],
		listen: v.by["core_socket"], share: v.is("core_share"),
		spool: spoolSettings{
			folder: v.by["spool_folder"], max: v.number("spool_max_bytes", 0),
			sync: v.time("spool_sync_ms", time.Millisecond),
		},
	}
	if v.is("use_tls") {
		s.secure = v.tls()
	}
	if v.is("zeek") {
		s.zeek = v.zeek()
	}
	return s, v.err
}

func (v *values) tls() *secure.Settings {
	return &secure.Settings{
		CACert: v.by["ca_cert"], HostCert: v.by["host_cert"], HostKey: v.by["host_key"],
		HostPass: v.by["host_pass"], MinVersion: v.by["tls_min_version"],
		RSAKeyExchange: v.is("tls_rsa_key_exchange"), PeerName: v.by["peer_name"],
		Nameless: v.is("zeek"),
	}
}

func (v *values) zeek() *zeekSettings {
	return &zeekSettings{
		topic: v.by["zeek_topic"], subscribe: v.by["zeek_subscribe"], types: v.by["zeek_types"],
		exactTime: v.is("zeek_exact_time"), zone: v.by["zeek_time_zone"],
		confirm: websocket.Confirm(v.number("zeek_confirm", 0)), inbound: uint64(v.number("zeek_inbound", 0)),
	}
}
