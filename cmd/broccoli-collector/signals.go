package main

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// endTime is how long an orderly end may last: for what waits for a Zeek, and for
// standard output. After it, the program ends whatever waits.
const endTime = 10 * time.Second

// signals are what the program is told from outside. They are heard from the first
// moment on, since "reload" may follow "start" at once.
type signals struct {
	// ctx ends with the first SIGINT or SIGTERM.
	ctx context.Context
	// hup has a value after SIGHUP.
	hup chan os.Signal
}

// errEnd is the cause of an orderly end.
var errEnd = errors.New("told to end")

// hearSignals has the first signal end the context. A second one, or an end that
// lasts too long, calls giveUp, which does not return.
func hearSignals(giveUp func(why string)) *signals {
	ctx, cancel := context.WithCancelCause(context.Background())
	s := &signals{ctx: ctx, hup: make(chan os.Signal, 1)}
	end := make(chan os.Signal, 2)
	signal.Notify(end, os.Interrupt, syscall.SIGTERM)
	signal.Notify(s.hup, syscall.SIGHUP)
	go func() {
		<-end
		cancel(errEnd)
		select {
		case <-end:
			giveUp("ended by a second signal: what was not written yet is lost")
		case <-time.After(endTime):
			giveUp("what waits could not be written in " + endTime.String() + ", and is lost: does somebody read standard output?")
		}
	}()
	return s
}

// endOnHangup makes SIGHUP end the program again: of its terminal, when that has
// nothing to rotate and nothing to read anew.
func (s *signals) endOnHangup() { signal.Reset(syscall.SIGHUP) }
