package eventlog

import (
	"container/list"
	"context"
	"errors"
	"sync"
	"sync/atomic"

	"github.com/romanesco-broccoli/romanesco/internal/collector/logfile"
)

// Files is a Log in a folder.
type Files struct {
	dir  *logfile.Dir
	set  Settings
	room *room

	mu      sync.Mutex // guards what follows, and orders the writing
	files   map[string]*file
	shared  *file                    // of all events, or of those without a file of their own
	open    *list.List               // of *file, the latest used in front
	unsafe  map[*logfile.Handle]bool // written to since they were synced
	retired map[*logfile.Handle]bool // to be closed
	written uint64                   // counts the writes
	gather  []byte                   // for lines that lie apart
	stats   Stats

	syncing sync.Mutex            // held while the disk is waited for; taken before mu
	safe    atomic.Uint64         // the writes that are known to be safe
	failed  atomic.Pointer[error] // of a sync: for good
}

// file is a log and what is known of its end.
type file struct {
	path string // as #path says it
	log  *logfile.File
	own  bool   // of one event
	head string // the heading that the last lines are under
	most int64  // the size to rotate at
	// latest is the schema that was written last, for others to follow.
	latest atomic.Pointer[schema]
	recent *list.Element // in open, or nil
}

// NewFiles returns a Log in dir. Files are opened with the first event that goes
// there.
func NewFiles(dir *logfile.Dir, set Settings) *Files {
	if set.Errorf == nil {
		set.Errorf = func(string, ...any) {}
	}
	if set.Held == nil {
		set.Held = func(error) {}
	}
	if set.MaxOpen <= 0 {
		set.MaxOpen = 256
	}
	l := &Files{
		dir: dir, set: set, room: newRoom(set.Held), files: map[string]*file{}, open: list.New(),
		unsafe: map[*logfile.Handle]bool{}, retired: map[*logfile.Handle]bool{},
	}
	name := nameAll
	if set.Each {
		name = nameOther
	}
	l.shared = &file{path: name, log: dir.File(name), most: set.MaxSize}
	return l
}

// file returns where an event goes.
func (l *Files) file(event string) *file {
	if !l.set.Each || l.set.Own != nil && !l.set.Own(event) {
		return l.shared
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	f := l.files[event]
	if f == nil {
		if len(l.files) == maxFiles {
			return l.shared
		}
		f = &file{path: event, log: l.dir.File(fileName(event)), own: true, most: l.set.MaxSize}
		l.files[event] = f
	}
	return f
}

// write appends lines that are under one schema. l.mu is held.
func (l *Files) write(f *file, s *schema, lines []byte) error {
	if err := l.makeRoom(f, len(lines)); err != nil {
		return err
	}
	if s != nil && (f.log.Size() == 0 || f.head != s.head) {
		lines = append(l.opening(f, s), lines...)
	}
	if err := l.append(f, lines); err != nil {
		return err
	}
	if s != nil {
		f.head = s.head
		f.latest.Store(s)
	}
	return nil
}

// makeRoom opens the file, or another one if n bytes would be too much for it.
func (l *Files) makeRoom(f *file, n int) error {
	if err := l.ready(f); err != nil {
		return err
	}
	if f.most == 0 || f.log.Size() == 0 || f.log.Size()+int64(n) <= f.most {
		return nil
	}
	err := l.end(f)
	if err == nil {
		err = l.rotate(f)
	}
	if logfile.NoRoom(err) {
		return err
	}
	if err != nil {
		l.tell(err)
		f.most = f.log.Size() + l.set.MaxSize // not with each line
	}
	return l.ready(f)
}

func (l *Files) append(f *file, lines []byte) error {
	l.unsafe[f.log.Handle()] = true
	if err := f.log.Append(lines); err != nil {
		return err
	}
	l.written++
	l.stats.Bytes += uint64(len(lines))
	return nil
}

// opening returns what goes before lines that need another heading.
func (l *Files) opening(f *file, s *schema) (b []byte) {
	now := l.dir.Now()
	if f.log.Size() > 0 {
		b = appendClosing(b, now)
	}
	return appendOpening(b, f.path, now, s.head)
}

// ready opens the file if it is closed.
func (l *Files) ready(f *file) error {
	if f.log.Opened() {
		l.open.MoveToFront(f.recent)
		return nil
	}
	if l.open.Len() >= l.set.MaxOpen {
		l.shut(l.open.Back().Value.(*file))
	}
	if err := f.log.Open(); err != nil {
		return err
	}
	f.recent = l.open.PushFront(f)
	return nil
}

// rotate puts the file away; the next write begins another.
func (l *Files) rotate(f *file) error {
	h, moved, err := f.log.Rotate()
	if err != nil {
		return err
	}
	l.gone(f, h)
	f.most, f.head = l.set.MaxSize, ""
	if moved {
		l.stats.Rotations++
	}
	return nil
}

// end writes the last line of a file with a heading.
func (l *Files) end(f *file) error {
	if f.head == "" {
		return nil
	}
	if err := l.ready(f); err != nil {
		return err
	}
	if f.log.Size() > 0 { // or someone has moved the file away
		if err := l.append(f, appendClosing(nil, l.dir.Now())); err != nil {
			return err
		}
	}
	f.head = ""
	return nil
}

// shut closes a file for want of descriptors; more may go there.
func (l *Files) shut(f *file) { l.gone(f, f.log.Retire()) }

// gone takes note that f is not open any more.
func (l *Files) gone(f *file, h *logfile.Handle) {
	if h != nil {
		l.retired[h] = true
		l.open.Remove(f.recent)
		f.recent = nil
	}
}

// tell says what went wrong without harm to any event. l.mu is held.
func (l *Files) tell(err error) {
	l.stats.Errors++
	l.set.Errorf("%v", err)
}

// trouble counts an error.
func (l *Files) trouble() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.stats.Errors++
}

// Await has somebody wait who writes another log of the folder and has found no room:
// see room.await.
func (l *Files) Await(ctx context.Context, why error, try func() error, alive func()) error {
	l.trouble()
	return l.room.await(ctx, why, try, alive)
}

// Full returns why those who write wait for room on the disk, or nil.
func (l *Files) Full() error { return l.room.full() }

// Rotate rotates all files. With an error some go on as they are.
func (l *Files) Rotate() error {
	l.mu.Lock()
	var errs []error
	for _, f := range l.all() {
		if err := l.end(f); err != nil {
			l.tell(err) // only the line that says when it ended
		}
		if err := l.rotate(f); err != nil {
			l.stats.Errors++
			errs = append(errs, err)
		}
	}
	l.mu.Unlock()
	return errors.Join(append(errs, l.release())...)
}

func (l *Files) all() []*file {
	all := []*file{l.shared}
	for _, f := range l.files {
		all = append(all, f)
	}
	return all
}

// Close ends all files, as safe as the settings want them. Nothing may be
// written any more.
func (l *Files) Close() error {
	l.mu.Lock()
	var errs []error
	for _, f := range l.all() {
		errs = append(errs, l.end(f))
		l.gone(f, f.log.Retire())
	}
	l.mu.Unlock()
	return errors.Join(append(errs, l.release())...)
}

// Stats returns what has been done so far.
func (l *Files) Stats() Stats {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.stats
	s.Open, s.Full = l.open.Len(), l.room.full() != nil
	return s
}
