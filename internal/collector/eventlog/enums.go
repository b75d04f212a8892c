package eventlog

import (
	"context"

	"romanesco/internal/event"
)

// NameOfEnum returns what a value of an enum type is called, if that is declared.
type NameOfEnum func(enum string, number int64) (string, bool)

// WithEnums returns a Log in which enums that came as numbers have the names that
// they would have had from a Zeek.
func WithEnums(log Log, name NameOfEnum) Log { return enumLog{log, name} }

type enumLog struct {
	Log
	name NameOfEnum
}

func (l enumLog) Batch(ctx context.Context, peer Peer, alive func()) Batch {
	return &enumBatch{Batch: l.Log.Batch(ctx, peer, alive), name: l.name}
}

type enumBatch struct {
	Batch
	name  NameOfEnum
	named []*event.Value
}

// Add implements Batch. Who gets the event next finds it as it was.
func (b *enumBatch) Add(ev *event.Event, names []string) {
	b.mark(ev.Args)
	b.Batch.Add(ev, names)
	for _, v := range b.named {
		v.Bytes = nil
	}
	b.named = b.named[:0]
}

func (b *enumBatch) mark(vs []event.Value) {
	for i := range vs {
		v := &vs[i]
		b.mark(v.Elems)
		if v.Type != event.Enum || len(v.Bytes) > 0 {
			continue
		}
		if name, known := b.name(v.TypeName, v.Int64()); known {
			v.Bytes = []byte(name)
			b.named = append(b.named, v)
		}
	}
}
