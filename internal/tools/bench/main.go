// Command bench measures the built library beside another libbroccoli.so.5, in
// turn, in one run, and prints a table of ratios: "make bench".
package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"flag"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"romanesco/internal/certs"
	"romanesco/internal/secure"
)

type options struct {
	build, reference string
	rounds, events   int
	stall            time.Duration
}

func main() {
	var o options
	flag.StringVar(&o.build, "build", "build", "the built tree")
	flag.StringVar(&o.reference, "reference", "", "the other libbroccoli.so.5; without it, ours against ours")
	flag.IntVar(&o.rounds, "rounds", 5, "measurements of each")
	flag.IntVar(&o.events, "events", 200_000, "events in a measurement")
	flag.DurationVar(&o.stall, "stall", 5*time.Second, "how long a peer reads nothing")
	flag.Parse()
	if err := run(o); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(o options) error {
	dir, err := os.MkdirTemp("", "bench")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	bin := filepath.Join(dir, "bench")
	out, err := exec.Command("cc", "-std=c11", "-D_GNU_SOURCE", "-O2", "-I"+o.build+"/include",
		"internal/tools/bench/testdata/bench.c", "-L"+o.build+"/lib", "-lbroccoli", "-o", bin).CombinedOutput()
	if err != nil {
		return fmt.Errorf("compiling: %w: %s", err, out)
	}
	s, err := newSides(o, dir, bin)
	if err != nil {
		return err
	}
	for _, m := range measurements(o) {
		for range o.rounds {
			for i := range s.sides { // in turn, so that both have the same weather
				if err := s.measure(i, m); err != nil {
					return fmt.Errorf("%s: %s: %w", s.sides[i].name, m.name, err)
				}
			}
		}
		s.print(m)
	}
	return nil
}

// measurement is one call of the program, against a peer of its own.
type measurement struct {
	name   string
	args   []string // PEER is replaced
	serve  func(net.Conn) error
	secure bool // over TLS
}

func measurements(o options) []measurement {
	n := strconv.Itoa(o.events)
	var all []measurement
	for _, shape := range []string{"seven", "one", "string", "record"} {
		all = append(all, measurement{name: "send " + shape, args: []string{"send", "PEER", shape, n}, serve: sink})
	}
	stall := strconv.Itoa(int(o.stall.Milliseconds()))
	return append(all,
		measurement{name: "send seven, TLS", args: []string{"send", "PEER", "seven", n}, serve: sink, secure: true},
		measurement{name: "receive seven", args: []string{"receive", "PEER", n}, serve: source(o.events)},
		measurement{name: "connect", args: []string{"connect", "PEER", "10"}, serve: sink},
		measurement{name: "connect, TLS", args: []string{"connect", "PEER", "10"}, serve: sink, secure: true},
		measurement{name: "stalled peer", args: []string{"stall", "PEER", stall}, serve: stalled(o.stall)},
		measurement{name: "linked", args: []string{"linked"}},
	)
}

// side is a library to measure.
type side struct {
	name, lib string
	values    map[string][]float64 // of the measurement under way
}

type sides struct {
	bin           string
	clear, secure string // configurations of the program
	tls           *tls.Config
	sides         []side
	order         []string
}

func newSides(o options, dir, bin string) (*sides, error) {
	build, err := filepath.Abs(o.build)
	if err != nil {
		return nil, err
	}
	reference, name := o.reference, "reference"
	if reference == "" {
		reference, name = build+"/lib/libbroccoli.so.5", "ours again"
	}
	if _, err := os.Stat(reference); err != nil {
		return nil, fmt.Errorf("REFERENCE_LIB: %w", err)
	}
	s := &sides{bin: bin, sides: []side{
		{name: name, lib: filepath.Dir(reference)}, {name: "ours", lib: build + "/lib"},
	}}
	return s, s.configure(dir)
}

// configure makes the certificates, and the configurations of the program.
func (s *sides) configure(dir string) error {
	ca, err := certs.NewCA("bench", 24*time.Hour)
	if err != nil {
		return err
	}
	cert, err := ca.Issue("127.0.0.1")
	if err != nil {
		return err
	}
	caFile, certFile := filepath.Join(dir, "ca.pem"), filepath.Join(dir, "host.pem")
	s.clear, s.secure = filepath.Join(dir, "clear.conf"), filepath.Join(dir, "secure.conf")
	for path, text := range map[string]string{
		caFile: string(ca.PEM), certFile: string(cert),
		s.clear: "/broccoli/use_ssl no\n",
		s.secure: fmt.Sprintf("/broccoli/use_ssl yes\n/broccoli/ca_cert %s\n/broccoli/host_cert %s\n/broccoli/host_key %s\n",
			caFile, certFile, certFile),
	} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			return err
		}
	}
	s.tls, err = secure.Settings{CACert: caFile, HostCert: certFile}.Listening()
	return err
}

func (s *sides) measure(i int, m measurement) error {
	args := slices.Clone(m.args)
	if m.serve != nil {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return err
		}
		defer l.Close()
		go func() {
			for {
				nc, err := l.Accept()
				if err != nil {
					return
				}
				if m.secure {
					nc = tls.Server(nc, s.tls)
				}
				go func() { _ = m.serve(nc); _ = nc.Close() }()
			}
		}()
		args[slices.Index(args, "PEER")] = l.Addr().String()
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, s.bin, args...)
	conf := s.clear
	if m.secure {
		conf = s.secure
	}
	cmd.Env = append(os.Environ(), "LD_LIBRARY_PATH="+s.sides[i].lib, "BROCCOLI_CONFIG_FILE="+conf)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	return s.sides[i].note(s, out)
}

func (d *side) note(s *sides, out []byte) error {
	if d.values == nil {
		d.values = map[string][]float64{}
	}
	lines := bufio.NewScanner(bytes.NewReader(out))
	for lines.Scan() {
		name, number, _ := strings.Cut(lines.Text(), " ")
		v, err := strconv.ParseFloat(number, 64)
		if err != nil {
			return fmt.Errorf("line %q: %w", lines.Text(), err)
		}
		d.values[name] = append(d.values[name], v)
		if !slices.Contains(s.order, name) {
			s.order = append(s.order, name)
		}
	}
	return lines.Err()
}

// print shows the medians, how far the measurements lie apart, and the ratio.
func (s *sides) print(m measurement) {
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(w, "%s\t%s\t±\t%s\t±\tratio\t\n", m.name, s.sides[0].name, s.sides[1].name)
	for _, name := range s.order {
		a, b := s.sides[0].values[name], s.sides[1].values[name]
		am, as := spread(a)
		bm, bs := spread(b)
		fmt.Fprintf(w, "%s\t%.0f\t%.0f%%\t%.0f\t%.0f%%\t%.3f\t\n", name, am, as, bm, bs, bm/am)
	}
	_ = w.Flush()
	fmt.Println()
	s.order = nil
	for i := range s.sides {
		s.sides[i].values = nil
	}
}

// spread returns the median, and half the distance between the smallest and
// the largest in percent of it.
func spread(v []float64) (median, percent float64) {
	if len(v) == 0 {
		return 0, 0
	}
	v = slices.Sorted(slices.Values(v))
	median = v[len(v)/2]
	if median == 0 {
		return 0, 0
	}
	return median, (v[len(v)-1] - v[0]) / 2 / median * 100
}
