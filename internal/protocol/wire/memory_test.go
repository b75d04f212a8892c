package wire

import (
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/romanesco-broccoli/romanesco/internal/event"
)

// heap is how much memory is in use.
func heap() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// TestDroppedPartsAreAccountedFor: an object that is in the cache keeps its parts
// alive, even if the cache has others in their place by now.
func TestDroppedPartsAreAccountedFor(t *testing.T) {
	text := strings.Repeat("x", 1<<20)
	for name, holder := range map[string]func(id uint32) blob{
		"by reference": func(id uint32) blob { return obj(id, valVector).add(vectorOf(1)).u8(1).add(ref(1)) },
		"within": func(id uint32) blob {
			return obj(id, valVector).add(vectorOf(1)).u8(1).add(obj(1, valScalar).add(typ(0, typeBase, event.String, "")).str(text))
		},
	} {
		before := heap()
		budget := NewBudget(64 << 20)
		d := NewDecoder(Limits{Budget: budget})
		for i := range uint32(200) {
			_, err := decodeWith(d, call(obj(1, valScalar).add(typ(0, typeBase, event.String, "")).str(text), holder(100+i)))
			require.NoError(t, err)
		}
		held := heap() - before
		assert.Less(t, held, int64(2*DefaultLimits().MaxCacheBytes), name)
		assert.Greater(t, budget.Used(), held/2, name)
		runtime.KeepAlive(d)
	}
}

// TestObjectThatHoldsItself is dropped like any other.
func TestObjectThatHoldsItself(t *testing.T) {
	d := NewDecoder(Limits{MaxCacheBytes: 1 << 20})
	for i := range uint32(2000) {
		self := typ(7, typeRecord, event.Record, "R").u32(1).u8(1).u32(1).
			u8(0).add(typ(0, typeVector, event.Vector, ""), refType(7)).str(strings.Repeat("f", 2000))
		_, err := decodeWith(d, call(obj(0, valRecord).add(self, mutable()).u32(1).u8(0)))
		require.NoError(t, err, i)
	}
	assert.LessOrEqual(t, d.cache.bytes+d.cache.dropped, 2<<20)
	assert.NotEmpty(t, d.cache.byID)
}

// TestBudgetIsForAll that a decoder holds from one event to the next.
func TestBudgetIsForAll(t *testing.T) {
	broken := func() []blob { // the key of a set, and a set that breaks off
		key := obj(5, valList).add(typ(0, typeList, event.List, ""), blob{0}.u32(0), blob{0}.u32(1), count(1))
		set := obj(0, valTable).add(typ(0, typeTable, event.Table, ""), blob{0}, typ(0, typeList, event.List, ""), blob{0}.u32(0), mutable(), blob{0, 0, 0})
		for range 60_000 {
			set = set.u8(1).add(ref(5)).u64(0).u64(0)
		}
		return []blob{call(key, set.u8(7))}
	}
	objects := func() (payloads []blob) {
		for i := range uint32(16) {
			var args []blob
			for j := range uint32(1024) {
				args = append(args, cachedCount(1+i*1024+j))
			}
			payloads = append(payloads, call(args...))
		}
		return payloads
	}
	names := func() (payloads []blob) {
		for i := range maxNames {
			payloads = append(payloads, blob{}.str(fmt.Sprintf("%0*d", maxNameLen, i)).u64(0).u32(0))
		}
		return payloads
	}
	for name, payloads := range map[string]func() []blob{"unfinished sets": broken, "small objects": objects, "names": names} {
		sent := payloads()
		budget := NewBudget(1 << 20)
		before := heap()
		var all []*Decoder
		for range 10 {
			d := NewDecoder(Limits{Budget: budget})
			var ev event.Event
			for _, payload := range sent {
				if d.Event(payload, &ev) != nil {
					break
				}
			}
			all = append(all, d)
		}
		held := heap() - before
		assert.Less(t, held, int64(5<<20), name)
		runtime.KeepAlive(all)
	}
}
