package collect

import (
	"errors"
	"fmt"

	"github.com/romanesco-broccoli/romanesco/internal/collector/memory"
	"github.com/romanesco-broccoli/romanesco/internal/event"
	"github.com/romanesco-broccoli/romanesco/internal/protocol/wire"
)

// Memory is what peers share, with whoever else connects to the program.
func (c *Collector) Memory() *memory.Pool { return c.pool }

// addLarge writes an event that takes much memory as a line. Only one such event at
// a time is being written, so that the memory for it is needed once.
func (s *session) addLarge(ev *event.Event, add func()) error {
	if err := s.flush(); err != nil {
		return err
	}
	defer s.c.pool.Turn(s.ctx, s.alive)()
	done, err := s.c.pool.ForLine(ev, 0)
	if errors.Is(err, memory.ErrTooLarge) {
		s.count.Skipped()
		s.note.Logf("event %.80q is skipped: %v", ev.Name, err)
		return nil
	}
	if err != nil {
		return fmt.Errorf("%w: %w", wire.ErrLimit, err)
	}
	defer done()
	add()
	return s.flush()
}
