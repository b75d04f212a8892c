package logfile

import (
	"errors"

	"golang.org/x/sys/unix"
)

// NoRoom reports whether an error says that a disk or a quota is full, which passes:
// nothing was written, and the same may be written later. Others do not pass, EIO for
// instance, or EFBIG.
func NoRoom(err error) bool { return errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) }
