package main

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// fresh makes a zero value of a type that a test cannot name.
func fresh[T any](*T) *T { return new(T) }

// TestPanicInClose stays in the core: C is told that not everything was written.
func TestPanicInClose(t *testing.T) {
	var l link
	l.c = fresh(l.c)
	links.Store(l.c, "no connection")
	require.Zero(t, romanesco_close(&l.c, 1, 0))
}
