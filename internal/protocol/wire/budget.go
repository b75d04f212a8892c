package wire

import (
	"sync"
	"sync/atomic"
)

// Budget is memory that connections share for what is out of the ordinary:
// large messages, many objects in a cache. A connection that gets none of it
// fails with ErrLimit. A nil *Budget has no bounds.
type Budget struct {
	max  int64
	used atomic.Int64

	small, large sync.Pool // buffers that no Reader needs now
}

// NewBudget returns a Budget of max bytes.
func NewBudget(max int64) *Budget { return &Budget{max: max} }

// Max returns how much there is.
func (b *Budget) Max() int64 { return b.max }

// Used returns how much has been taken.
func (b *Budget) Used() int64 { return b.used.Load() }

// Take takes n bytes, or reports false when there are not that many.
func (b *Budget) Take(n int) bool {
	if b == nil {
		return true
	}
	if b.used.Add(int64(n)) > b.max {
		b.used.Add(-int64(n))
		return false
	}
	return true
}

// Give gives n bytes back.
func (b *Budget) Give(n int) {
	if b != nil {
		b.used.Add(-int64(n))
	}
}

// buffer returns a buffer of that size, whatever is in it.
func (b *Budget) buffer(size int) []byte {
	if b != nil && size == readSize {
		if p, ok := b.small.Get().(*[readSize]byte); ok {
			return p[:]
		}
	}
	if b != nil && size == busySize {
		if p, ok := b.large.Get().(*[busySize]byte); ok {
			return p[:]
		}
	}
	return make([]byte, size)
}

// reuse takes a buffer that is needed no more.
func (b *Budget) reuse(buf []byte) {
	switch {
	case b == nil:
	case len(buf) == readSize:
		b.small.Put((*[readSize]byte)(buf))
	case len(buf) == busySize:
		b.large.Put((*[busySize]byte)(buf))
	}
}

// usual is how much a connection may have without asking, for the Reader and the
// Decoder each, and in what steps more is asked for.
const usual = 64 << 10

// NewAccount returns an account of nothing.
func NewAccount(b *Budget) Account { return Account{budget: b} }

// Account is what one user of a Budget has taken.
type Account struct {
	budget *Budget
	held   int
}

// Held returns how much the account is of.
func (a *Account) Held() int { return a.held }

// Hold makes the account one of n bytes, or reports false and leaves it.
func (a *Account) Hold(n int) bool {
	n = max(n-1, 0) / usual * usual
	switch {
	case n > a.held:
		if !a.budget.Take(n - a.held) {
			return false
		}
	case n < a.held:
		a.budget.Give(a.held - n)
	}
	a.held = n
	return true
}
