package logfile

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// Handle is an open file, which may have been renamed since. Making it safe
// takes as long as the disk does, so that it is not done under the lock that
// orders the writing.
type Handle struct{ file *os.File }

// Sync returns when everything that was written is safe on disk. Whether the
// file is listed in its folder is another matter: see Dir.Sync.
func (h *Handle) Sync() error {
	if err := h.file.Sync(); err != nil {
		return fmt.Errorf("making log %s safe: %w", h.file.Name(), bare(err))
	}
	return nil
}

// Close closes the file.
func (h *Handle) Close() error {
	if err := h.file.Close(); err != nil {
		return fmt.Errorf("closing log %s: %w", h.file.Name(), bare(err))
	}
	return nil
}

// Inode returns the number by which the file is known, whatever it is called.
func (h *Handle) Inode() (uint64, error) {
	var st unix.Stat_t
	if err := unix.Fstat(int(h.file.Fd()), &st); err != nil {
		return 0, fmt.Errorf("looking at log %s: %w", h.file.Name(), err)
	}
	return st.Ino, nil
}
