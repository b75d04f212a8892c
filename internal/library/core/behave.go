package core

import (
	"os"
	"runtime"
	"runtime/debug"
	"sync"
)

// Behave makes the runtime a good guest; it does so once.
//
// The heap stays near what is in use: the host is the one who is to have the
// memory. An operator who has set GOGC keeps his setting. More than a few
// threads would not make us faster.
//
// The threads are started here, while that is possible: a host may give up the
// right to start any once it is connected, and a runtime that cannot start one
// when it wants to ends the process.
var Behave = sync.OnceFunc(func() {
	if _, set := os.LookupEnv("GOGC"); !set {
		debug.SetGCPercent(50)
	}
	procs := min(runtime.GOMAXPROCS(0), maxProcs)
	runtime.GOMAXPROCS(procs)
	var running, ended sync.WaitGroup
	release := make(chan struct{})
	for range procs + spareThreads {
		running.Add(1)
		ended.Go(func() {
			runtime.LockOSThread()
			defer runtime.UnlockOSThread()
			running.Done()
			<-release
		})
	}
	running.Wait()
	close(release)
	ended.Wait()
})

// With the runtime's own, these stay below THREADS of capi/preflight.c.
const (
	maxProcs     = 2
	spareThreads = 4
)
