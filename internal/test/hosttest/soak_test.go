package hosttest

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/romanesco-broccoli/romanesco/internal/event"
	"github.com/romanesco-broccoli/romanesco/internal/protocol/wire"
)

// soak is how much is to be done: little in "make test", much in "make soak",
// which sets ROMANESCO_SOAK to the number of events.
type soak struct {
	events uint64
	kills  uint64 // of the collector, and of the host with a spool
	seed   uint64
	limit  time.Duration
}

func newSoak(t *testing.T) soak {
	t.Helper()
	s := soak{events: 20_000, kills: 5, seed: uint64(time.Now().UnixNano()), limit: 5 * time.Minute}
	if n, err := strconv.ParseUint(os.Getenv("ROMANESCO_SOAK"), 10, 64); err == nil {
		s.events, s.kills, s.limit = n, 100, 2*time.Hour
	}
	if n, err := strconv.ParseUint(os.Getenv("ROMANESCO_SEED"), 10, 64); err == nil {
		s.seed = n
	}
	t.Logf("%d events, %d kills, ROMANESCO_SEED=%d", s.events, s.kills, s.seed)
	return s
}

// cuts returns how long each connection through the proxy lives, such that a
// few of them do for each kill. No life would be long enough for anything that
// is shorter than what is confirmed together, 16 KiB.
func (s soak) cuts() func() int64 {
	var mu sync.Mutex
	rnd := rand.New(rand.NewPCG(s.seed, 1))
	most := max(int64(s.events*soakEvent/s.kills)/20, 50_000)
	return func() int64 {
		mu.Lock()
		defer mu.Unlock()
		return 200 + rnd.Int64N(most)
	}
}

// soakEvent is about how many bytes one event takes on the wire.
const soakEvent = 100

// restarted is a collector that is killed, and started again, by and by. Each
// writes to a file of its own, since the last line of one may be broken.
type restarted struct {
	t      *testing.T
	dir    string
	files  []string
	cmd    *exec.Cmd
	listen atomic.Pointer[string]
}

func newRestarted(t *testing.T) *restarted {
	t.Helper()
	if build == "" {
		t.Skip("needs the built collector: run \"make test\", which sets ROMANESCO_BUILD")
	}
	r := &restarted{t: t, dir: t.TempDir()}
	r.start()
	t.Cleanup(func() { _ = r.cmd.Process.Kill() })
	return r
}

var listening = regexp.MustCompile(`listening on (\S+) for`)

func (r *restarted) start() {
	name := filepath.Join(r.dir, fmt.Sprintf("events.%d", len(r.files)))
	out, err := os.Create(name)
	require.NoError(r.t, err)
	defer out.Close()
	r.files = append(r.files, name)
	r.cmd = exec.Command(filepath.Join(build, "bin", "broccoli-collector"), "-listen", "127.0.0.1:0", "-event", "soak")
	r.cmd.Stdout = out
	said, err := r.cmd.StderrPipe()
	require.NoError(r.t, err)
	require.NoError(r.t, r.cmd.Start())
	lines := bufio.NewScanner(said)
	require.True(r.t, lines.Scan())
	m := listening.FindStringSubmatch(lines.Text())
	require.NotNil(r.t, m, lines.Text())
	r.listen.Store(&m[1])
	go func() {
		for lines.Scan() {
		}
	}()
}

func (r *restarted) addr() string { return *r.listen.Load() }

func (r *restarted) kill() {
	require.NoError(r.t, r.cmd.Process.Kill())
	_ = r.cmd.Wait()
}

// arrivals is what the collectors have written: how often each event of a run.
type arrivals map[uint64][]uint16

// read reads all files. In each run, events must come for the first time in the
// order of their numbers. After a loss some come again, one after another:
// longest is the most of these at a time.
func (r *restarted) read() (a arrivals, twice, longest int) {
	a = arrivals{}
	last := map[uint64]uint64{} // number, of each run
	for _, name := range r.files {
		f, err := os.Open(name)
		require.NoError(r.t, err)
		lines := bufio.NewScanner(f)
		lines.Buffer(nil, 1<<20)
		for lines.Scan() {
			var ev struct {
				Event string
				Args  struct{ Arg1, Arg2 uint64 }
			}
			if json.Unmarshal(lines.Bytes(), &ev) != nil {
				require.False(r.t, lines.Scan(), "%s: only the last line may be broken", name)
				break
			}
			run, n := ev.Args.Arg1, ev.Args.Arg2
			switch seen := a[run]; {
			case n < uint64(len(seen)):
				seen[n]++
				twice++
				if n != last[run]+1 { // from here on, up to the newest
					longest = max(longest, len(seen)-int(n))
				}
			default:
				require.Equal(r.t, uint64(len(seen)), n, "run %d, in %s", run, name)
				a[run] = append(seen, 1)
			}
			last[run] = n
		}
		require.NoError(r.t, lines.Err())
		_ = f.Close()
	}
	return a, twice, longest
}

// soakHost starts the host for one run; accepted tells how far it is.
func soakHost(t *testing.T, s soak, conf, addr string, run, events uint64) (cmd *exec.Cmd, accepted func() uint64) {
	t.Helper()
	cmd, _, accepted = soakProgram(t, s, "soak", conf, []string{"LD_LIBRARY_PATH=" + build + "/lib"}, addr, run, events)
	return cmd, accepted
}

// soakProgram does so for one of several programs, and keeps what it says.
func soakProgram(t *testing.T, s soak, name, conf string, env []string, addr string, run, events uint64,
) (cmd *exec.Cmd, said *bytes.Buffer, accepted func() uint64) {
	t.Helper()
	bin, err := program(name)
	require.NoError(t, err)
	dir := t.TempDir()
	config, count := filepath.Join(dir, "broccoli.conf"), filepath.Join(dir, "accepted")
	require.NoError(t, os.WriteFile(config, []byte(conf), 0o600))
	cmd = exec.Command(bin, addr, fmt.Sprint(run), fmt.Sprint(events), count)
	cmd.Env = append(append(os.Environ(), env...), "BROCCOLI_CONFIG_FILE="+config)
	said = new(bytes.Buffer)
	cmd.Stdout, cmd.Stderr = said, os.Stderr
	require.NoError(t, cmd.Start())
	stop := time.AfterFunc(s.limit, func() { _ = cmd.Process.Kill() })
	t.Cleanup(func() { stop.Stop() })
	return cmd, said, func() uint64 {
		b, err := os.ReadFile(count)
		if err != nil || len(b) < 8 {
			return 0
		}
		return binary.NativeEndian.Uint64(b)
	}
}

// until waits for a condition; it fails when the process is gone before.
func until(t *testing.T, s soak, done chan error, what string, condition func() bool) {
	t.Helper()
	for end := time.Now().Add(s.limit); !condition(); time.Sleep(time.Millisecond) {
		select {
		case err := <-done:
			done <- err
			if condition() {
				return
			}
			t.Fatalf("%s: the host has ended: %v", what, err)
		default:
			require.True(t, time.Now().Before(end), what)
		}
	}
}

// TestSoakConfirm: with /broccoli/confirm, what was accepted is delivered,
// though the collector is killed and started again, and the link is cut at
// any byte. What comes twice was under way when that happened.
func TestSoakConfirm(t *testing.T) {
	s := newSoak(t)
	r := newRestarted(t)
	p := newProxy(t, r.addr, s.cuts())
	conf := "/broccoli/confirm yes\n/broccoli/retry 1\n"
	cmd, accepted := soakHost(t, s, conf, p.addr, 0, s.events)
	done := make(chan error, 1)
	go func() { done <- cmd.Wait() }()
	for k := range s.kills {
		until(t, s, done, fmt.Sprintf("kill %d", k), func() bool { return accepted() >= (k+1)*s.events/(s.kills+1) })
		r.kill()
		r.start()
	}
	until(t, s, done, "all is accepted", func() bool { return accepted() == s.events })
	p.calm.Store(true) // the end of a process does not wait for ever
	require.NoError(t, <-done)
	r.kill()
	a, twice, longest := r.read()
	require.Equal(t, s.events, uint64(len(a[0])), "accepted = delivered")
	t.Logf("%d events accepted and delivered, %d of them again, at most %d at a time, over %d cuts and %d kills",
		s.events, twice, longest, p.cuts.Load(), s.kills)
	requireBound(t, longest)
}

// requireBound: a loss repeats at most what may be under way (README), and what
// is written together with the last of that.
func requireBound(t *testing.T, longest int) {
	t.Helper()
	ev := event.Event{Name: "soak", Time: 1, Args: []event.Value{{Type: event.Count}, {Type: event.Count}}}
	message, err := new(wire.Encoder).AppendEvent(nil, &ev)
	require.NoError(t, err)
	require.LessOrEqual(t, longest*len(message), 8<<20+64<<10)
}

// TestSoakSpool: with /broccoli/spool_dir, what was accepted is delivered
// though the host is killed too.
func TestSoakSpool(t *testing.T) {
	s := newSoak(t)
	r := newRestarted(t)
	p := newProxy(t, r.addr, s.cuts())
	rnd := rand.New(rand.NewPCG(s.seed, 2))
	dir := t.TempDir()
	conf := "/broccoli/retry 1\n/broccoli/spool_dir " + dir + "\n"
	var counts []uint64
	sent := uint64(0)
	for run := range s.kills + 1 {
		last := run == s.kills
		events := s.events / (s.kills + 1)
		if last { // the others may have been killed before their end
			events = s.events - sent
		}
		cmd, accepted := soakHost(t, s, conf, p.addr, run, events)
		done := make(chan error, 1)
		go func() { done <- cmd.Wait() }()
		at := rnd.Uint64N(events)
		until(t, s, done, fmt.Sprintf("run %d", run), func() bool { return accepted() >= at })
		if run%2 == 0 {
			r.kill()
			r.start()
		}
		if !last {
			at += rnd.Uint64N(events - at)
			until(t, s, done, fmt.Sprintf("run %d", run), func() bool { return accepted() >= at })
			time.Sleep(time.Duration(rnd.Int64N(int64(500 * time.Millisecond)))) // more or less of it is under way
			_ = cmd.Process.Kill()
		}
		err := <-done
		var killed *exec.ExitError
		require.True(t, err == nil || !last && errors.As(err, &killed), "run %d: %v", run, err)
		counts = append(counts, accepted())
		sent += accepted()
	}
	// One more that has nothing to send, but finds what is left.
	p.calm.Store(true)
	run := uint64(len(counts))
	until(t, s, make(chan error), "the spool is empty", func() bool {
		cmd, _ := soakHost(t, s, conf, p.addr, run, 1)
		counts = append(counts, 1)
		run++
		require.NoError(t, cmd.Wait())
		left, err := os.ReadDir(dir)
		require.NoError(t, err)
		return len(left) == 0
	})
	r.kill()
	a, twice, longest := r.read()
	total := uint64(0)
	for run, n := range counts {
		// The host may be killed between the acceptance of an event and its count.
		require.GreaterOrEqual(t, len(a[uint64(run)]), int(n), "run %d", run)
		require.LessOrEqual(t, len(a[uint64(run)]), int(n)+1, "run %d", run)
		total += n
	}
	t.Logf("%d events of %d runs accepted and delivered, %d of them again, at most %d at a time, over %d cuts",
		total, len(counts), twice, longest, p.cuts.Load())
	requireBound(t, longest)
}
