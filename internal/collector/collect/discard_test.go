package collect

import (
	"context"

	"github.com/romanesco-broccoli/romanesco/internal/collector/eventlog"
	"github.com/romanesco-broccoli/romanesco/internal/event"
)

// discard is a log that keeps nothing.
type discard struct{}

func (discard) Batch(context.Context, eventlog.Peer, func()) eventlog.Batch { return discard{} }
func (discard) Add(ev *event.Event, names []string)                         {}
func (discard) Len() int                                                    { return 0 }
func (discard) Flush() error                                                { return nil }
func (discard) Settle() error                                               { return nil }
func (discard) Close()                                                      {}
