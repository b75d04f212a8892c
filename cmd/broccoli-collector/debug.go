package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"
	"time"
)

// debugAddress returns what addr means, which has to be of this host alone: profiles
// show what is in memory, and cost time.
func debugAddress(addr string) (*net.TCPAddr, error) {
	at, err := net.ResolveTCPAddr("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("-debug-listen %s: %w", addr, err)
	}
	if !at.IP.IsLoopback() {
		return nil, fmt.Errorf("-debug-listen %s: it can be reached from other hosts: use 127.0.0.1 or [::1]", addr)
	}
	return at, nil
}

// listenForDebugging opens the address of the profiles, or nothing if there is none.
func (o *options) listenForDebugging() (net.Listener, error) {
	if o.debug == "" {
		return nil, nil
	}
	at, err := debugAddress(o.debug)
	if err != nil {
		return nil, usageError{err}
	}
	l, err := net.ListenTCP("tcp", at)
	if err != nil {
		return nil, fmt.Errorf("-debug-listen: %w", err)
	}
	slog.Info(fmt.Sprintf("profiles at http://%s/debug/pprof/", l.Addr()))
	return l, nil
}

// serveProfiles answers until ctx ends.
func serveProfiles(ctx context.Context, l net.Listener) error {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /debug/pprof/", pprof.Index)
	mux.HandleFunc("GET /debug/pprof/cmdline", pprof.Cmdline)
	mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	s := http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	stop := context.AfterFunc(ctx, func() { _ = s.Close() })
	defer stop()
	if err := s.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("profiles: %w", err)
	}
	return nil
}
