package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"slices"
	"sync"
	"time"
)

// patience is for one call of the program.
const patience = 2 * time.Minute

// measure calls the program, against a peer of its own, and returns what it
// has printed.
func (s *setup) measure(d side, args []string) ([]byte, error) {
	args = slices.Clone(args)
	finish := func() error { return nil }
	if d.serve != nil {
		address, end, err := s.peer(d)
		if err != nil {
			return nil, err
		}
		finish = end
		args[slices.Index(args, "PEER")] = address
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, s.bin, args...)
	cmd.Env = append(os.Environ(), "LD_LIBRARY_PATH="+d.lib, "BROCCOLI_CONFIG_FILE="+d.conf)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		err = fmt.Errorf("%w: %s", err, out)
	}
	return out, errors.Join(err, finish())
}

// peer serves until end is called, which returns what was wrong with any of the
// connections, when all are over.
func (s *setup) peer(d side) (address string, end func() error, err error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	var serving sync.WaitGroup
	var mu sync.Mutex
	var failures []error
	serving.Go(func() {
		for {
			nc, err := l.Accept()
			if err != nil {
				return
			}
			if d.secure {
				nc = tls.Server(nc, s.tls)
			}
			serving.Go(func() {
				err := d.serve(nc)
				_ = nc.Close()
				mu.Lock()
				failures = append(failures, err)
				mu.Unlock()
			})
		}
	})
	return l.Addr().String(), func() error {
		_ = l.Close()
		serving.Wait()
		if err := errors.Join(failures...); err != nil {
			return fmt.Errorf("peer: %w", err)
		}
		return nil
	}, nil
}
