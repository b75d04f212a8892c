package main

import "syscall"

func int80(trap uint32) uint32

// compat asks for its number by the entry of 32-bit programs, whose numbers are others.
func compat() error {
	const getpid = 20
	if r := int32(int80(getpid)); r < 0 {
		return syscall.Errno(-r)
	}
	return nil
}
