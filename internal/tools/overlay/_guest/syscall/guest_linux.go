// Part of package syscall in the build of the core alone.

package syscall

import _ "unsafe" // for go:linkname

// guest_high moves a descriptor out of the way of the host.
//
//go:linkname guest_high
func guest_high(fd int32) int32

// guest_closing forgets a descriptor.
//
//go:linkname guest_closing
func guest_closing(fd int32)

func guestHigh(fd int, err error) (int, error) {
	if err == nil {
		fd = int(guest_high(int32(fd)))
	}
	return fd, err
}
