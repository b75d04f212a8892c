package descriptor

import "os"

// File is a file that is open for longer than a call. Whatever goes by its number
// fails with ErrForeign when that is another's.
type File struct {
	file *os.File
	id   Identity
}

// Keep takes over a file that was opened a moment ago.
func Keep(f *os.File) *File {
	k := &File{file: f}
	_ = Control(f, func(fd uintptr) { k.id = Identify(int(fd)) })
	return k
}

// Control calls do with the number of a file.
func Control(f *os.File, do func(fd uintptr)) error {
	raw, err := f.SyscallConn()
	if err != nil {
		return err
	}
	return raw.Control(do)
}

// Holds reports whether it is that file.
func (k *File) Holds(f *os.File) bool { return k.file == f }

// Check returns ErrForeign when the number is another's. A file that was closed in
// order has none.
func (k *File) Check() error {
	ours := true
	_ = Control(k.file, func(uintptr) { ours = k.id.Ours() })
	if !ours {
		return ErrForeign
	}
	return nil
}

// Use calls do with the file if it is ours.
func (k *File) Use(do func(f *os.File) error) error {
	if err := k.Check(); err != nil {
		return err
	}
	return do(k.file)
}

// Close closes the file if it is ours; it is never closed if not.
func (k *File) Close() error {
	if err := k.Check(); err != nil {
		Abandon(k.file)
		return err
	}
	return k.file.Close()
}
