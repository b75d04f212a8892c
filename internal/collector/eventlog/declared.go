package eventlog

import (
	"context"
	"fmt"
	"strings"
	"sync"

	"github.com/romanesco-broccoli/romanesco/internal/event"
)

// Declared is what is known of the types that values have: package zeek reads it from
// scripts.
type Declared interface {
	// EnumName returns what a value of an enum type is called, if that is declared.
	EnumName(enum string, number int64) (string, bool)
	// NameFields gives fields of records that have no name the one that is declared, and
	// appends those. What does not fit is left, and misfit told which record is declared
	// otherwise.
	NameFields(ev *event.Event, named []*event.Value, misfit func(declared string, why func() string)) []*event.Value
}

// WithDeclared returns a Log in which values have the names that are declared: enums that
// came as numbers, fields of records that came without. now returns what is declared
// now. What does not fit is told once.
func WithDeclared(log Log, now func() Declared, tell func(peer Peer, what string)) Log {
	return &declaredLog{Log: log, now: now, tell: tell}
}

type declaredLog struct {
	Log
	now  func() Declared
	tell func(peer Peer, what string)
	told sync.Map // what is declared otherwise: no more than there are declarations
}

func (l *declaredLog) Batch(ctx context.Context, peer Peer, alive func()) Batch {
	b := &declaredBatch{Batch: l.Log.Batch(ctx, peer, alive), log: l, peer: peer}
	b.misfit = func(declared string, why func() string) { b.tellOnce("record", declared, why) }
	return b
}

type declaredBatch struct {
	Batch
	log    *declaredLog
	peer   Peer
	misfit func(declared string, why func() string)
	enums  []*event.Value
	fields []*event.Value
}

// Add implements Batch. Who gets the event next finds it as it was.
func (b *declaredBatch) Add(ev *event.Event, names []string) {
	now := b.log.now()
	if len(names) > 0 && len(names) != len(ev.Args) {
		b.tellOnce("event", ev.Name, func() string {
			return fmt.Sprintf("%d arguments are known, and it has come with %d", len(names), len(ev.Args))
		})
	}
	b.fields = now.NameFields(ev, b.fields, b.misfit)
	b.nameEnums(ev.Args, now)
	b.Batch.Add(ev, names)
	for _, v := range b.enums {
		v.Bytes = nil
	}
	for _, v := range b.fields {
		v.Field = ""
	}
	b.enums, b.fields = b.enums[:0], b.fields[:0]
}

func (b *declaredBatch) nameEnums(vs []event.Value, now Declared) {
	for i := range vs {
		v := &vs[i]
		b.nameEnums(v.Elems, now)
		if v.Type != event.Enum || len(v.Bytes) > 0 {
			continue
		}
		if name, known := now.EnumName(v.TypeName, v.Int64()); known {
			v.Bytes = []byte(name)
			b.enums = append(b.enums, v)
		}
	}
}

// tellOnce says that something is not as it is declared, and goes without names.
func (b *declaredBatch) tellOnce(kind, name string, why func() string) {
	key := [2]string{kind, name}
	if _, told := b.log.told.Load(key); told {
		return
	}
	key[1] = strings.Clone(name) // it may be the decoder's
	if _, told := b.log.told.LoadOrStore(key, true); !told {
		b.log.tell(b.peer, fmt.Sprintf("%s %s: %s; its parts are called by their numbers", kind, name, why()))
	}
}
