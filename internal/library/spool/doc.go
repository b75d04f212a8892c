// Package spool keeps events on disk until the peer has confirmed them, so that
// they survive the process, and the machine as far as they have been synced.
//
// Each handle of a process has a folder in the spool directory (capi/spool.c
// makes it), with
//
//	lock   locked as long as its process lives
//	ring   a header, and the ring into which the host puts its events
//	log/   what has been taken off the ring, in batches: a write-ahead log
//
// A folder whose process is gone is an orphan; who locks it sends what is in it
// and removes it. It imports only package ring.
package spool
