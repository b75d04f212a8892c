package eventlog

import (
	"fmt"
	"time"

	"github.com/romanesco-broccoli/romanesco/internal/event"
	"github.com/romanesco-broccoli/romanesco/internal/printable"
)

// maxShown is how much of a name is shown to people.
const maxShown = 256

// Summary is the Line for people: time, peer, event, arguments.
func Summary(b []byte, ev *event.Event, peer Peer, names []string, max int) (_ []byte, cut bool) {
	from := len(b)
	end := from + limit(max)
	w := writer{b: b}
	if w.summary(ev, peer, names, end) {
		return w.b, false
	}
	const mark = " (truncated)"
	w = writer{b: w.b[:from], fair: true}
	w.summary(ev, peer, names, end-len(mark))
	return append(w.b, mark...), true
}

func (w *writer) summary(ev *event.Event, peer Peer, names []string, end int) bool {
	w.b = time.UnixMicro(int64(ev.Time*1e6)).AppendFormat(w.b, "15:04:05.000")
	w.b = printable.Append(append(w.b, "  "...), peer.Addr, maxShown)
	if peer.Host != "" {
		w.b = printable.Append(append(w.b, ' '), peer.Host, maxShown)
	}
	w.b = fmt.Appendf(append(w.b, "  "...), "%-36s", printable.Append(nil, ev.Name, maxShown))
	for i := range ev.Args {
		from := len(w.b)
		w.b = append(w.b, ' ')
		if len(names) == len(ev.Args) {
			if names[i] == "ts" {
				continue // the event's own time says it
			}
			w.b = append(append(w.b, names[i]...), '=')
		}
		if len(w.b) > end || !w.value(&ev.Args[i], w.share(end)) {
			w.b = w.b[:from]
			return false
		}
	}
	return true
}
