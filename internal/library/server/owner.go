package server

import (
	"os"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/romanesco-broccoli/romanesco/internal/library/shared"
)

// owners has the kernel mark the links of this process when it ends, however that comes: a
// thread that lives as long has them in its list of robust futexes. The host sees the mark
// without a system call.
type owners struct {
	mu    sync.Mutex
	head  robustHead
	links []*shared.Link // in the order of the list, which hosts may write to
	tid   uint32         // 0: the kernel has no such list
}

// robustHead is struct robust_list_head of the kernel.
type robustHead struct {
	next    uintptr
	offset  int
	pending uintptr
}

func newOwners() *owners {
	o := new(owners)
	o.head.next = o.end()
	o.head.offset = int(unsafe.Offsetof(shared.Link{}.Owner)) - int(unsafe.Offsetof(shared.Link{}.OwnerLink))
	ready := make(chan struct{})
	go func() {
		runtime.LockOSThread()
		if _, _, failed := unix.RawSyscall(unix.SYS_SET_ROBUST_LIST, o.end(), unsafe.Sizeof(o.head), 0); failed == 0 {
			o.tid = uint32(unix.Gettid())
		}
		close(ready)
		select {} // the list is of this thread
	}()
	<-ready
	return o
}

func (o *owners) end() uintptr { return uintptr(unsafe.Pointer(&o.head)) }

func entry(l *shared.Link) uintptr { return uintptr(unsafe.Pointer(&l.OwnerLink)) }

// at returns the entry of the link of that number, or the end.
func (o *owners) at(i int) uintptr {
	if i < len(o.links) {
		return entry(o.links[i])
	}
	return o.end()
}

// set has what comes before the link of that number lead to an entry.
func (o *owners) set(i int, to uintptr) {
	if i == 0 {
		atomic.StoreUintptr(&o.head.next, to)
		return
	}
	atomic.StoreUint64(&o.links[i-1].OwnerLink, uint64(to))
}

// ownersMost is how many links the kernel looks at, with some to spare (ROBUST_LIST_LIMIT). The hosts of
// further ones look for themselves.
const ownersMost = 2000

func (o *owners) add(l *shared.Link) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.links) >= ownersMost {
		atomic.StoreUint32(&l.Owner, 0)
		return
	}
	atomic.StoreUint64(&l.OwnerLink, uint64(o.at(0)))
	atomic.StoreUint32(&l.Owner, o.tid)
	o.set(0, entry(l))
	o.links = slices.Insert(o.links, 0, l)
}

// remove takes it out before it is unmapped.
func (o *owners) remove(l *shared.Link) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if i := slices.Index(o.links, l); i >= 0 {
		o.set(i, o.at(i+1))
		o.links = slices.Delete(o.links, i, i+1)
	}
}

// descriptorOf names memory, however it was handed to us.
type descriptorOf struct{ device, inode uint64 }

func identify(f *os.File) (id descriptorOf) {
	var st unix.Stat_t
	if unix.Fstat(number(f), &st) == nil {
		id = descriptorOf{uint64(st.Dev), st.Ino}
	}
	return id
}
