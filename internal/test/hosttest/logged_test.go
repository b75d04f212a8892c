package hosttest

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
)

// logged is a line of the collector's about an event whose arguments have no names.
type logged struct {
	Event string
	Args  map[string]any // arg1 and so on
}

func loggedEvent(t *testing.T, line []byte) (ev logged) {
	t.Helper()
	require.NoError(t, json.Unmarshal(line, &ev))
	return ev
}

func (ev logged) arg(i int) any { return ev.Args[fmt.Sprintf("arg%d", i+1)] }

// String has the name and the arguments, as in "child[1 2]".
func (ev logged) String() string {
	args := make([]any, len(ev.Args))
	for i := range args {
		args[i] = ev.arg(i)
	}
	return fmt.Sprint(ev.Event, args)
}
