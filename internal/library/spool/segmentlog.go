package spool

import (
	"os"
	"reflect"

	"github.com/tidwall/wal"

	"github.com/romanesco-broccoli/romanesco/internal/descriptor"
)

// segmentLog is a log of the library, which keeps the file of its last segment open. The
// library writes to it, syncs it and closes it by its number: not when that is another's.
type segmentLog struct {
	*wal.Log
	file *descriptor.File
}

func openSegmentLog(dir string, o *wal.Options) (*segmentLog, error) {
	w, err := wal.Open(dir, o)
	if err != nil {
		return nil, err
	}
	return &segmentLog{w, descriptor.Keep(lastFile(w))}, nil
}

// lastFile returns the file that a log keeps open, which the library shows to nobody.
func lastFile(w *wal.Log) *os.File {
	return (*os.File)(reflect.ValueOf(w).Elem().FieldByName("sfile").UnsafePointer())
}

// use calls do if the file is ours. There may be another one then.
func (s *segmentLog) use(do func() error) error {
	if err := s.file.Check(); err != nil {
		return err
	}
	err := do()
	if f := lastFile(s.Log); !s.file.Holds(f) {
		s.file = descriptor.Keep(f)
	}
	return err
}

func (s *segmentLog) Write(index uint64, data []byte) error {
	return s.use(func() error { return s.Log.Write(index, data) })
}

func (s *segmentLog) Sync() error { return s.use(s.Log.Sync) }

func (s *segmentLog) TruncateFront(index uint64) error {
	return s.use(func() error { return s.Log.TruncateFront(index) })
}

func (s *segmentLog) Close() error {
	err := s.use(s.Log.Close)
	if err != nil {
		_ = s.file.Close() // which the library has not
	}
	return err
}
