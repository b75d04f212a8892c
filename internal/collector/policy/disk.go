package policy

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"syscall"
)

// disk has the files of this machine.
type disk struct{}

func (disk) kind(path string) (isFile, isFolder bool) {
	info, err := os.Stat(path)
	if err != nil {
		return false, false
	}
	return !info.IsDir(), info.IsDir()
}

// identity is the path without symbolic links.
func (disk) identity(path string) string {
	if real, err := filepath.EvalSymlinks(path); err == nil {
		path = real
	}
	if whole, err := filepath.Abs(path); err == nil {
		path = whole
	}
	return path
}

func (d disk) read(path string) (text, identity string, err error) {
	// Not to wait for a writer, should it be a pipe.
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return "", "", err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return "", "", err
	}
	if !info.Mode().IsRegular() {
		return "", "", &os.PathError{Op: "reading", Path: path, Err: fmt.Errorf("not a file")}
	}
	b, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return "", "", err
	}
	if len(b) > maxFile {
		return "", "", &os.PathError{Op: "reading", Path: path, Err: fmt.Errorf("more than %d bytes", maxFile)}
	}
	return string(b), d.identity(path), nil
}
