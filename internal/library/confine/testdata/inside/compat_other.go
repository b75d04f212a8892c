//go:build !amd64

package main

import "syscall"

func compat() error { return syscall.ENOSYS } // nothing of Go's can
