package core

import (
	"fmt"

	"github.com/romanesco-broccoli/romanesco/internal/event"
	"github.com/romanesco-broccoli/romanesco/internal/library/flat"
	"github.com/romanesco-broccoli/romanesco/internal/library/ring"
	"github.com/romanesco-broccoli/romanesco/internal/library/spool"
	"github.com/romanesco-broccoli/romanesco/internal/protocol/wire"
)

// batchSize is from how many bytes on a batch is written: what little may be
// under way at first is one.
const batchSize = 16 << 10

// translator makes a batch of records.
type translator struct {
	dec   flat.Decoder
	ev    event.Event
	enc   wire.Encoder
	buf   []byte
	batch spool.Batch

	events, unencodable uint64
	requests            []string
}

// translator makes one for the peer: a Zeek is sent the names of enum values, which
// are found by those of their types.
func (p *spooler) translator() *translator {
	return &translator{enc: wire.Encoder{Named: p.conn.set.zeek != nil}}
}

// take makes a batch of the records from pos on, and returns the place behind
// the last one that is in it.
func (t *translator) take(r *ring.Ring, pos, head uint64) (uint64, error) {
	t.batch.Reset()
	t.events, t.unencodable, t.requests = 0, 0, nil
	for pos < head && t.batch.Size() < batchSize {
		rec, next, err := r.Next(pos, head)
		if err != nil {
			return pos, err
		}
		pos = next
		if rec == nil {
			break
		}
		if err := t.record(rec); err != nil {
			return pos, err
		}
	}
	t.batch.Tail = pos
	return pos, nil
}

func (t *translator) record(rec []byte) error {
	switch kind := ring.Kind(rec); kind {
	case flat.KindRequest:
		b, err := flat.Raw(rec)
		t.requests = append(t.requests, names(b)...)
		return err
	case flat.KindRaw:
		b, err := flat.Raw(rec)
		if err == nil {
			t.events++
			t.batch.Add(b, true)
		}
		return err
	case flat.KindEvent:
		if err := t.dec.Event(rec, &t.ev); err != nil {
			return err
		}
		t.events++
		var err error
		if t.buf, err = t.enc.AppendSerialEvent(t.buf[:0], &t.ev); err != nil {
			t.unencodable++
			return nil
		}
		t.batch.Add(t.buf, false)
		return nil
	default:
		return fmt.Errorf("%w: kind %d", ring.ErrCorrupt, kind)
	}
}
