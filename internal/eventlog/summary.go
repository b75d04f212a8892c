package eventlog

import (
	"fmt"
	"time"

	"romanesco/internal/event"
)

// Summary is the Line for people: time, peer, event, arguments.
func Summary(b []byte, ev *event.Event, peer string, names []string) []byte {
	at := time.UnixMicro(int64(ev.Time * 1e6)).Format("15:04:05.000")
	b = fmt.Appendf(b, "%s  %s  %-36s", at, peer, ev.Name)
	for i := range ev.Args {
		b = append(b, ' ')
		if len(names) == len(ev.Args) {
			if names[i] == "ts" {
				continue // the event's own time says it
			}
			b = append(append(b, names[i]...), '=')
		}
		b = appendValue(b, &ev.Args[i])
	}
	return b
}
