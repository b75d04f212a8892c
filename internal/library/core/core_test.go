package core

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/romanesco-broccoli/romanesco/internal/library/shared"
)

// TestPanicInClose stays in the core: the host is told that not everything was written.
func TestPanicInClose(t *testing.T) {
	var c Core
	m := Memory{Link: new(shared.Link)}
	c.links.Store(m.Link, "no connection")
	require.False(t, c.Close(0, m))
}
