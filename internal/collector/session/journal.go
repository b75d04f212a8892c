package session

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"os"

	"github.com/romanesco-broccoli/romanesco/internal/collector/logfile"
)

// The files in the folder of the logs. They do not match *.log.
const (
	journalName = "sshd_session.state"
	nextName    = "sshd_session.state.new"
)

// magic begins a journal. Another version of its contents has another number.
const magic = "romanesco sshd_session 1\n"

const (
	frameHead = 8
	// maxFrame is more than a frame ever has.
	maxFrame = 256 << 20
)

// What a frame is.
const (
	frameSensor = 'S' // a sensor, with all that is known of it
	frameFacts  = 'F' // what came after that, and the lines that it has caused
)

// journal is the file from which all that is known comes back after the end of the
// process, at whatever moment that came. It has frames with checksums; one that is torn is
// the last, and was not answered for.
type journal struct {
	root *os.Root
	dir  *logfile.Dir
	path string
	file *os.File
	size int64
	torn bool // behind size stands a part of what could not be written
}

// append appends a frame: all of it or, with an error, nothing.
func (j *journal) append(frame []byte) error {
	if j.torn {
		if err := j.file.Truncate(j.size); err != nil {
			return fmt.Errorf("cutting %s back: %w", j.path, j.dir.Mendable(err))
		}
		j.torn = false
	}
	n, err := j.file.WriteAt(frame, j.size)
	if err != nil {
		j.torn = n > 0
		return fmt.Errorf("writing %s: %w", j.path, j.dir.Mendable(err))
	}
	j.size += int64(n)
	return nil
}

// seal makes a frame of what stands behind room for its head.
func seal(b []byte) []byte {
	body := b[frameHead:]
	binary.LittleEndian.PutUint32(b, uint32(len(body)))
	binary.LittleEndian.PutUint32(b[4:], crc32.Checksum(body, crc32.MakeTable(crc32.Castagnoli)))
	return b
}

// renew puts another journal in the place of this one, whose frames write hands on. The
// old one stays as it is until the new one is whole.
func (j *journal) renew(write func(frame func([]byte) error) error, safe bool) (err error) {
	next := journal{root: j.root, dir: j.dir, path: j.path + ".new"}
	if next.file, err = j.root.OpenFile(nextName, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600); err != nil {
		return fmt.Errorf("opening %s: %w", next.path, j.dir.Mendable(err))
	}
	err = next.append([]byte(magic))
	if err == nil {
		err = write(next.append)
	}
	if err == nil {
		err = j.replace(&next, safe)
	}
	if err != nil {
		_ = next.file.Close()
		_ = j.root.Remove(nextName)
		return err
	}
	if j.file != nil {
		_ = j.file.Close()
	}
	j.file, j.size, j.torn = next.file, next.size, false
	return nil
}

// replace has another journal be what this one is called.
func (j *journal) replace(next *journal, safe bool) error {
	if safe {
		if err := next.file.Sync(); err != nil {
			return fmt.Errorf("making %s safe: %w", next.path, j.dir.Mendable(err))
		}
	}
	if err := j.root.Rename(nextName, journalName); err != nil {
		return fmt.Errorf("renaming %s: %w", next.path, j.dir.Mendable(err))
	}
	if !safe {
		return nil
	}
	folder, err := j.root.Open(".")
	if err == nil {
		err = errors.Join(folder.Sync(), folder.Close())
	}
	if err != nil {
		return fmt.Errorf("making the name of %s safe: %w", j.path, err)
	}
	return nil
}

// read hands on the frames that an earlier run has left. lost is how many bytes at the
// end make no sense.
func (j *journal) read(frame func(kind byte, body []byte) error) (lost int64, err error) {
	info, err := j.root.Lstat(journalName)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("reading %s: %w", j.path, j.dir.Mendable(err))
	}
	if !info.Mode().IsRegular() {
		return 0, fmt.Errorf("%s is not a regular file: move it away", j.path)
	}
	file, err := j.root.Open(journalName)
	if err != nil {
		return 0, fmt.Errorf("reading %s: %w", j.path, j.dir.Mendable(err))
	}
	defer file.Close()
	r := bufio.NewReaderSize(file, 64<<10)
	head := make([]byte, len(magic))
	if _, err := io.ReadFull(r, head); err != nil || string(head) != magic {
		return info.Size(), nil
	}
	read := int64(len(magic))
	for {
		body, ok := nextFrame(r, info.Size()-read)
		if !ok {
			return info.Size() - read, nil
		}
		read += frameHead + int64(len(body))
		if err := frame(body[0], body[1:]); err != nil {
			return info.Size() - read, fmt.Errorf("reading %s: %w", j.path, err)
		}
	}
}

// nextFrame returns a frame that is whole, of at most so many bytes.
func nextFrame(r io.Reader, most int64) (body []byte, ok bool) {
	var head [frameHead]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return nil, false
	}
	n := int64(binary.LittleEndian.Uint32(head[:]))
	if n == 0 || n > min(maxFrame, most-frameHead) {
		return nil, false
	}
	body = make([]byte, n)
	if _, err := io.ReadFull(r, body); err != nil {
		return nil, false
	}
	return body, crc32.Checksum(body, crc32.MakeTable(crc32.Castagnoli)) == binary.LittleEndian.Uint32(head[4:])
}
