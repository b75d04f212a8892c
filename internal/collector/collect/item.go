package collect

import (
	"github.com/romanesco-broccoli/romanesco/internal/collector/queue"
	"github.com/romanesco-broccoli/romanesco/internal/protocol/traffic"
	"github.com/romanesco-broccoli/romanesco/internal/protocol/wire"
)

// item is something that goes to a peer: an event in the form of the wire, or
// the name of an event to ask for.
type item struct {
	event   []byte
	request string
}

// Size implements queue.Item.
func (it item) Size() int { return 64 + len(it.event) + len(it.request) }

// Cost implements queue.Item.
func (it item) Cost() int { return it.Size() - len(it.event) + queue.CostOf(len(it.event)) }

// newQueue returns what waits for a peer, which counts it.
func newQueue(max int, memory *wire.Budget, count *traffic.Counters) *queue.Queue[item] {
	const chunks = 2 // of the wire that an item becomes: a header and what it is of
	return queue.New[item](max, memory, func(items int) { count.Waiting(chunks * items) })
}
