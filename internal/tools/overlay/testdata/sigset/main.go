// Prints the set that the runtime means by all signals, when it blocks them.
package main

import "C"

import (
	"fmt"
	_ "unsafe" // for go:linkname
)

//go:linkname all runtime.sigset_all
var all [2]uint32

func main() { fmt.Printf("%08x %08x\n", all[0], all[1]) }
