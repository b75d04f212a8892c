package spool

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"syscall"

	"github.com/tidwall/wal"
)

// report is what was found in a log.
type report struct {
	first  uint64   // batch
	starts []uint64 // first batches of the segments but for the first one
	unread int64    // bytes of batches behind what is confirmed
	lost   uint64   // batches that are not there any more
	torn   int64    // bytes behind the last whole batch
}

// maxGap bounds the batches that a damaged segment may have had: each has a
// header at least.
const maxGap = segmentSize

// repair makes a log such that the library can open it and read every number,
// and loses only what is damaged. A file of the library's is a segment, named
// after the number of its first entry; entries are a length (uvarint) and that
// many bytes.
//
// The library refuses a log whose last segment ends within an entry, and
// expects of the others that they are complete: the former is cut behind its
// last whole batch, and to the latter empty entries are added for what they
// have lost.
func repair(dir string, o wal.Options, confirmed uint64) (report, error) {
	r := report{first: 1}
	if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
		return r, nil // a new one
	}
	// It also ends what the library was about when it was interrupted.
	w, err := wal.Open(dir, &o)
	if err == nil {
		err = w.Close()
	}
	if err != nil && !errors.Is(err, wal.ErrCorrupt) {
		return r, fmt.Errorf("opening the log: %w", err)
	}
	segments, err := list(dir)
	if err != nil {
		return r, err
	}
	for i, s := range segments {
		if i == 0 {
			r.first = s.first
		} else {
			r.starts = append(r.starts, s.first)
		}
		if i == len(segments)-1 {
			err = s.cut(&r, confirmed)
		} else {
			err = s.fill(&r, confirmed, segments[i+1].first)
		}
		if err != nil {
			return r, fmt.Errorf("mending segment %d: %w", s.first, err)
		}
	}
	return r, nil
}

type segment struct {
	path  string
	first uint64
}

func list(dir string) ([]segment, error) {
	entries, err := os.ReadDir(dir) // in order
	if err != nil {
		return nil, fmt.Errorf("listing the log: %w", err)
	}
	var segments []segment
	for _, e := range entries {
		n, err := strconv.ParseUint(e.Name(), 10, 64)
		if err == nil && len(e.Name()) == 20 {
			segments = append(segments, segment{filepath.Join(dir, e.Name()), n})
		}
	}
	return segments, nil
}

// entry returns the size of the entry at the start of data, with its length,
// and what is in it; false when it is not all there.
func entry(data []byte) (size int, content []byte, ok bool) {
	n, used := binary.Uvarint(data)
	if used <= 0 || n > uint64(len(data)-used) {
		return 0, nil, false
	}
	size = used + int(n)
	return size, data[used:size], true
}

// scan calls visit for each entry of data, with its number and the place
// behind it.
func (s *segment) scan(data []byte, visit func(index uint64, content []byte, end int)) {
	at := 0
	for index := s.first; at < len(data); index++ {
		size, content, ok := entry(data[at:])
		if !ok {
			return
		}
		at += size
		visit(index, content, at)
	}
}

// cut removes what stands behind the last whole batch.
func (s *segment) cut(r *report, confirmed uint64) error {
	data, err := os.ReadFile(s.path)
	if err != nil {
		return err
	}
	end, damaged := 0, uint64(0)
	var b Batch
	s.scan(data, func(index uint64, content []byte, at int) {
		if b.decode(content, index) != nil {
			if len(content) > 0 && index > confirmed { // zeros are what was never written
				damaged++
			}
			return
		}
		end, damaged = at, 0
		if index > confirmed {
			r.unread += int64(len(content))
		}
	})
	r.lost += damaged
	r.torn = int64(len(data) - end)
	if r.torn == 0 {
		return nil
	}
	return shorten(s.path, int64(end))
}

// shorten cuts a file that it has opened: a core that is confined cannot by a name.
func shorten(path string, size int64) error {
	f, err := os.OpenFile(path, os.O_WRONLY|syscall.O_NOFOLLOW, 0)
	if err != nil {
		return err
	}
	return errors.Join(f.Truncate(size), f.Close())
}

// fill adds empty entries for what is missing before the number next.
func (s *segment) fill(r *report, confirmed, next uint64) error {
	data, err := os.ReadFile(s.path)
	if err != nil {
		return err
	}
	want := next - s.first
	if want > maxGap {
		return fmt.Errorf("the next segment is %d", next)
	}
	have, end := uint64(0), 0
	s.scan(data, func(index uint64, content []byte, at int) {
		if have == want {
			return
		}
		have, end = have+1, at
		if index > confirmed {
			r.unread += int64(len(content))
			if len(content) == 0 {
				r.lost++
			}
		}
	})
	if have == want && end == len(data) {
		return nil
	}
	lostFrom := max(s.first+have, confirmed+1)
	if lostFrom < next {
		r.lost += next - lostFrom
	}
	whole := append(data[:end:end], make([]byte, want-have)...)
	if err := os.WriteFile(s.path+".mended", whole, 0o600); err != nil {
		return err
	}
	return os.Rename(s.path+".mended", s.path)
}
