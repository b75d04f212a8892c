package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/romanesco-broccoli/romanesco/internal/collector/collect"
	"github.com/romanesco-broccoli/romanesco/internal/collector/commlog"
	"github.com/romanesco-broccoli/romanesco/internal/collector/eventlog"
	"github.com/romanesco-broccoli/romanesco/internal/collector/logfile"
	"github.com/romanesco-broccoli/romanesco/internal/collector/metrics"
	"github.com/romanesco-broccoli/romanesco/internal/collector/session"
)

// logOptions are what the command line says of logs and metrics.
type logOptions struct {
	dir, format, files, sync string
	naming                   string
	size, line               int64
	interval, statistics     time.Duration
	metrics                  string
	public                   bool
	maxOpen                  int // logs of events at a time
	sessions                 bool
	sessionEvery             time.Duration // 0: never
	sessionLost              time.Duration
}

const (
	defaultSessionEvery = time.Hour
	defaultSessionLost  = time.Hour
	// sessionShare is which part of -max-memory connections to sensors may take that are open.
	sessionShare = 16
)

func (o *logOptions) register(f *flag.FlagSet) {
	f.StringVar(&o.dir, "log-dir", "", "`folder` to write logs to instead of standard output; SIGHUP rotates them")
	f.StringVar(&o.format, "log-format", "json", "json, or tsv as Zeek writes it, with -log-dir")
	f.StringVar(&o.files, "log-files", "each", "each: a file for each event, or one: a file for all")
	f.Func("rotate-size", "`size` at which a log is rotated, such as 100M (default never)", func(s string) (err error) {
		o.size, err = parseSize(s)
		return err
	})
	f.StringVar(&o.naming, "rotate-name", string(logfile.TimeLast), "what a rotated log is called: "+string(logfile.TimeLast)+", or "+string(logfile.TimeBetween))
	f.Func("max-line", "how long a line may become, a `size`; of what is longer a part is left out (default 1M)", func(s string) (err error) {
		o.line, err = parseSize(s)
		return err
	})
	f.DurationVar(&o.interval, "rotate-interval", 0, "rotate logs at the multiples of this since midnight (default never)")
	f.StringVar(&o.sync, "fsync", "confirm", "when logs are made safe on disk: confirm (before a sensor is told that its events have arrived), always, never, or how often")
	f.DurationVar(&o.statistics, "stats-interval", time.Minute, "how often statistics go to comm.log")
	f.BoolVar(&o.sessions, "session-log", true, "write sshd_session.log, a line for each connection to an sshd with a sensor, with -log-dir")
	f.DurationVar(&o.sessionEvery, "session-interval", defaultSessionEvery, "how often a line goes to sshd_session.log of a connection that is still open; 0: never")
	f.DurationVar(&o.sessionLost, "session-lost", defaultSessionLost, "how long a sensor may be away until its connections get their last line in sshd_session.log")
	f.StringVar(&o.metrics, "metrics", "", "`address` of this host, host:port, to serve /metrics (Prometheus) and /healthz at (default none)")
	f.BoolVar(&o.public, "metrics-public", false, "allow an address of -metrics that other hosts can reach")
}

// check refuses options that would do nothing.
func (o *logOptions) check(f *flag.FlagSet) (err error) {
	f.Visit(func(set *flag.Flag) {
		switch set.Name {
		case "log-format", "log-files", "rotate-size", "rotate-interval", "rotate-name", "fsync", "stats-interval", "session-log", "session-interval", "session-lost":
			if o.dir == "" {
				err = fmt.Errorf("-%s has to do with -log-dir, which is not given", set.Name)
			}
		}
	})
	return err
}

const minSize = 4 << 10

// parseSize reads a number of bytes, or of KiB, MiB or GiB.
func parseSize(s string) (int64, error) {
	digits := strings.TrimRight(s, "KMG")
	shift := map[string]int{"": 0, "K": 10, "M": 20, "G": 30}
	by, known := shift[s[len(digits):]]
	n, err := strconv.ParseInt(digits, 10, 32)
	if err != nil || !known {
		return 0, errors.New("a number, or one with K, M or G behind it")
	}
	if n<<by < minSize {
		return 0, errors.New("at least 4K")
	}
	return n << by, nil
}

// logs is where things are written and shown, beside standard output.
type logs struct {
	opts      *logOptions
	collector *collect.Collector
	stream    *eventlog.Stream // where events go without -log-dir
	dir       *logfile.Dir     // nil without -log-dir, as are the next two
	events    *eventlog.Files
	sessions  *session.Log // nil without -session-log
	comm      *commlog.Log
	metrics   net.Listener // nil without -metrics
	clients   func() *metrics.Clients
	every     time.Duration // how often to sync
}

// open opens what the options ask for. asks says which events peers are asked for, memory
// what all of them may take.
func (o *logOptions) open(asks func(event string) bool, memory int64) (*logs, error) {
	l := &logs{opts: o}
	set, err := o.settings(asks)
	if err != nil {
		return nil, usageError{err}
	}
	if o.metrics != "" {
		if l.metrics, err = metrics.Listen(o.metrics, o.public); err != nil {
			return nil, err
		}
		slog.Info(fmt.Sprintf("metrics at http://%s/metrics", l.metrics.Addr()), "address", l.metrics.Addr().String())
	}
	if o.dir == "" {
		return l, nil
	}
	if l.dir, err = logfile.OpenDir(o.dir, nil); err != nil {
		return nil, err
	}
	l.dir.Naming = logfile.Naming(o.naming)
	l.every = set.Sync.Every()
	set.Held = l.held
	l.events = eventlog.NewFiles(l.dir, set)
	if o.sessions {
		l.sessions, err = session.Open(l.dir, o.dir, l.events, session.Settings{
			Events: set, Memory: memory / sessionShare, Interim: o.sessionEvery, Lost: o.sessionLost, Await: l.events.Await,
		})
		if err != nil {
			return nil, errors.Join(err, l.dir.Close())
		}
	}
	l.comm = commlog.New(l.dir, o.size, saying(slog.Default(), slog.LevelError))
	l.comm.Started()
	return l, nil
}

func (o *logOptions) settings(asks func(event string) bool) (set eventlog.Settings, err error) {
	set = eventlog.Settings{
		Format: eventlog.Format(o.format), Each: o.files == "each", MaxSize: o.size, MaxLine: int(o.line), Errorf: saying(slog.Default(), slog.LevelError), Own: asks, MaxOpen: o.maxOpen,
	}
	if set.Sync, err = eventlog.ParseSync(o.sync); err != nil {
		return set, fmt.Errorf("-fsync %w", err)
	}
	if set.Format != eventlog.FormatJSON && set.Format != eventlog.FormatTSV {
		return set, fmt.Errorf("-log-format %q: json or tsv", o.format)
	}
	if o.files != "each" && o.files != "one" {
		return set, fmt.Errorf("-log-files %q: each or one", o.files)
	}
	if n := logfile.Naming(o.naming); n != logfile.TimeLast && n != logfile.TimeBetween {
		return set, fmt.Errorf("-rotate-name %q: %s or %s", o.naming, logfile.TimeLast, logfile.TimeBetween)
	}
	if o.sessionEvery < 0 || o.sessionLost <= 0 {
		return set, errors.New("-session-interval and -session-lost: not negative, and lost after some time")
	}
	if o.interval < 0 || o.statistics <= 0 {
		return set, errors.New("-rotate-interval and -stats-interval: not negative, and statistics at some time")
	}
	return set, nil
}

// checkDir reports whether the folder is there, or can be made.
func (o *logOptions) checkDir() error {
	if o.dir == "" {
		return nil
	}
	info, err := os.Stat(o.dir)
	if errors.Is(err, fs.ErrNotExist) {
		info, err = os.Stat(filepath.Dir(filepath.Clean(o.dir)))
	}
	switch {
	case err != nil:
		return fmt.Errorf("log folder: %w", err)
	case !info.IsDir():
		return fmt.Errorf("log folder %s: not a folder", o.dir)
	}
	return nil
}

// tasks returns what goes on beside the collecting, each until its context ends.
func (l *logs) tasks(c *collect.Collector) (tasks []func(context.Context) error) {
	l.collector = c
	if l.metrics != nil {
		tasks = append(tasks, func(ctx context.Context) error {
			return metrics.Serve(ctx, l.metrics, l.facts, l.healthy)
		})
	}
	if l.dir == nil {
		return tasks
	}
	tasks = append(tasks, func(ctx context.Context) error {
		l.comm.Report(ctx, l.opts.statistics, l.collector.Traffic.Totals)
		return nil
	})
	if l.opts.interval > 0 {
		tasks = append(tasks, l.rotateOnTime)
	}
	if l.every > 0 {
		tasks = append(tasks, l.syncOnTime)
	}
	if l.sessions != nil {
		tasks = append(tasks, l.sessions.Run)
	}
	return tasks
}

// lookAtClock is how often the clock is looked at at least: it may be set.
const lookAtClock = time.Minute

func (l *logs) rotateOnTime(ctx context.Context) error {
	for next := logfile.Next(time.Now(), l.opts.interval); ; next = logfile.Next(time.Now(), l.opts.interval) {
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(min(time.Until(next), lookAtClock)):
		}
		if !time.Now().Round(0).Before(next) {
			l.rotate()
		}
	}
}

// rotate rotates all logs. Those that cannot be go on as they are.
func (l *logs) rotate() {
	if l.dir == nil {
		slog.Info("there are no logs to rotate: see -log-dir")
		return
	}
	if err := errors.Join(l.events.Rotate(), l.rotateSessions(), l.comm.Rotate()); err != nil {
		slog.Error(err.Error())
	}
}

func (l *logs) rotateSessions() error {
	if l.sessions == nil {
		return nil
	}
	return l.sessions.Rotate()
}

// log returns where events go with a folder.
func (l *logs) log() eventlog.Log {
	if l.sessions == nil {
		return l.events
	}
	return l.sessions
}

// sync makes safe what was written.
func (l *logs) sync() error {
	if err := l.events.Sync(); err != nil || l.sessions == nil {
		return err
	}
	return l.sessions.Sync()
}

func (l *logs) syncOnTime(ctx context.Context) error {
	tick := time.NewTicker(l.every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			if err := l.sync(); err != nil {
				return err
			}
		}
	}
}

// held says that sensors wait for room on the disk, or wait no more.
func (l *logs) held(why error) {
	text := "there is room again on the disk of " + l.opts.dir + ": sensors go on"
	if why != nil {
		text = fmt.Sprintf("the disk of %s is full, and sensors wait until there is room: %v", l.opts.dir, why)
	}
	slog.Warn(text)
	l.comm.Note(text)
}

// healthy returns why no events are taken, or nil.
func (l *logs) healthy() error {
	if err := l.collector.Failure(); err != nil || l.events == nil {
		return err
	}
	if why := l.events.Full(); why != nil {
		return fmt.Errorf("the disk is full, sensors wait: %w", why)
	}
	return nil
}

// report says what has come and was not written.
func (l *logs) report() {
	if l.events == nil {
		return
	}
	if n := l.events.Stats().Unwritten; n > 0 {
		slog.Warn(fmt.Sprintf("%d events had come and could not be written; sensors that want confirmation have been told of none of them", n), "events", n)
	}
}

// facts is what the metrics show.
func (l *logs) facts() metrics.Facts {
	f := metrics.Facts{Version: version}
	sum, each := l.collector.Traffic.Totals()
	f.Traffic, f.Peers = sum, len(each)
	_, f.Accepted = l.collector.Totals()
	f.Refused = l.collector.Refused()
	f.Truncated = l.stream.Truncated()
	f.Clients = l.clients()
	held := l.collector.Held()
	f.Incoming, f.Outgoing, f.TurnedAway, f.CutOff = held.Incoming, held.Outgoing, held.TurnedAway, held.CutOff
	if l.events != nil {
		stats := l.events.Stats()
		f.Log, f.Truncated, f.LeftOut = &stats, stats.Truncated, l.comm.LeftOut()
	}
	if l.sessions != nil {
		stats := l.sessions.Stats()
		f.Sessions = &metrics.Sessions{Open: stats.Open, Closed: stats.Closed, NoRoom: stats.NoRoom, Again: stats.Again}
	}
	return f
}

// close ends the logs, with the last statistics.
func (l *logs) close() error {
	if l.dir == nil {
		return nil
	}
	if l.collector != nil {
		l.comm.Statistics(l.collector.Traffic.Totals())
	}
	err := l.events.Close()
	if l.sessions != nil {
		err = errors.Join(err, l.sessions.Close())
	}
	return errors.Join(err, l.comm.Close(), l.dir.Close())
}
