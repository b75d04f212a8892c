package broccoli_test

import (
	"math"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/romanesco-broccoli/romanesco/broccoli"
)

// TestWhatCannotBeSent is an error at once, which says what it is, and the connection goes
// on.
func TestWhatCannotBeSent(t *testing.T) {
	a, b := pair(t, broccoli.Config{}, broccoli.Config{Events: []string{"e"}})
	type untagged struct{ Field int }
	type hidden struct {
		field int `bro:"field"`
	}
	type cyclic struct {
		Next *cyclic `bro:"next"`
	}
	round := &cyclic{}
	round.Next = round
	for want, arg := range map[string]any{
		"no counterpart of chan int":                       make(chan int),
		"field Field of broccoli_test.untagged has no tag": untagged{},
		"field field of broccoli_test.hidden has a tag":    hidden{field: 1},
		"nested deeper":            round,
		"the address is not valid": netip.Addr{},
		"the subnet is not valid":  netip.Prefix{},
		"of type unset":            nil,
		`the number of enum value "Site::RED" is not known`: broccoli.Enum{Name: "Site::RED"},
		"port 1 of protocol 99":                             broccoli.Port{Number: 1, Proto: 99},
		"element 1: broccoli: value does not fit":           []any{1, make(chan int)},
		"value of key a":                                    map[string]any{"a": func() {}},
		"field x: broccoli: value does not fit":             broccoli.Record{Fields: []broccoli.Field{{Name: "x", Value: 1i}}},
		"struct {} has no field with a tag":                 struct{}{},
	} {
		err := a.Send(within(t), "e", arg)
		require.ErrorIs(t, err, broccoli.ErrValue, want)
		require.ErrorContains(t, err, want)
	}
	require.ErrorIs(t, a.Send(within(t), "", 1), broccoli.ErrValue)
	require.NoError(t, a.Send(within(t), "e", 1))
	receive(t, b)
}

// TestWhatDoesNotFit is never cut or rounded.
func TestWhatDoesNotFit(t *testing.T) {
	type one struct {
		A int `bro:"a"`
	}
	record := broccoli.Record{Fields: []broccoli.Field{{Name: "a", Value: nil}, {Name: "b", Value: uint64(1)}}}
	for _, c := range []struct {
		src, dst any
		want     string
	}{
		{uint64(256), new(uint8), "256 into uint8"},
		{uint64(math.MaxUint64), new(int64), "into int64"},
		{int64(-1), new(uint), "-1 into uint"},
		{int64(1), new(time.Duration), "int into time.Duration"},
		{int64(1), new(float64), "int into float64"},
		{0.1, new(float32), "double into float32"},
		{"x", new(int), "string into int"},
		{"x", new(broccoli.Pattern), "string into broccoli.Pattern"},
		{true, new(string), "bool into string"},
		{nil, new(int), "it is not set, and int cannot say so"},
		{record, new(one), "field a: broccoli: value does not fit: it is not set"},
		{broccoli.Record{Fields: []broccoli.Field{{Name: "b", Value: int64(1)}}}, new(one), "field a"},
		{broccoli.Record{Fields: []broccoli.Field{{Value: int64(1)}, {Value: int64(1)}}}, new(one), "2 fields without names"},
		{record, new(netip.Addr), "no field with a tag"},
		{record, new(time.Time), "record into time.Time"},
		{record, new(map[string]int), "record into map"},
		{[]any{int64(1), "x"}, new([]int), "element 1"},
		{broccoli.Set{"x"}, new(map[string]int), "set into map[string]int"},
		{broccoli.Table{{"x", int64(1)}}, new(map[string]struct{}), "table into map"},
		{broccoli.Set{[]any{}}, new(map[any]struct{}), "cannot be a key"},
		{broccoli.Table{{"x", "y"}}, new(map[string]int), "value of key x"},
	} {
		err := (&broccoli.Event{Name: "e", Args: []any{c.src}}).Scan(c.dst)
		require.ErrorIs(t, err, broccoli.ErrValue, c.want)
		require.ErrorContains(t, err, c.want)
	}
	ev := &broccoli.Event{Name: "e", Args: []any{int64(1)}}
	require.ErrorContains(t, ev.Scan(), "has 1 arguments, not 0")
	require.ErrorContains(t, ev.Scan(1), "Scan wants pointers")
	require.ErrorContains(t, ev.Scan((*int)(nil)), "Scan wants pointers")
}

// TestWhatFits although it is of another kind.
func TestWhatFits(t *testing.T) {
	type pair struct {
		A int     `bro:"a"`
		B *string `bro:"b"`
	}
	text := "x"
	var (
		n     int8
		u     uint
		f     float32
		p     *pair
		unset *int
		list  []string
		byKey map[pair2]int
		whole any
	)
	ev := &broccoli.Event{Args: []any{
		uint64(127), int64(1), 0.5, []any{int64(1), "x"}, nil, broccoli.Set{"a", "b"},
		broccoli.Table{{broccoli.Index{int64(1), "y"}, uint64(2)}}, nil,
	}}
	whole = "old"
	require.NoError(t, ev.Scan(&n, &u, &f, &p, &unset, &list, &byKey, &whole))
	require.EqualValues(t, 127, n)
	require.EqualValues(t, 1, u)
	require.EqualValues(t, 0.5, f)
	require.Equal(t, &pair{1, &text}, p, "a Zeek sends records as vectors")
	require.Nil(t, unset)
	require.Equal(t, []string{"a", "b"}, list)
	require.Equal(t, map[pair2]int{{1, "y"}: 2}, byKey)
	require.Nil(t, whole)
}

type pair2 struct {
	A int    `bro:"a"`
	B string `bro:"b"`
}

// TestNumbersThatAreNoTimes do no harm.
func TestNumbersThatAreNoTimes(t *testing.T) {
	a, b := pair(t, broccoli.Config{}, broccoli.Config{Events: []string{"e"}})
	require.NoError(t, a.Send(within(t), "e", math.Inf(1), math.NaN(), time.Unix(-1, 0), time.Duration(math.MinInt64), time.Time{}))
	var inf, nan float64
	var at, zero time.Time
	var d time.Duration
	require.NoError(t, receive(t, b).Scan(&inf, &nan, &at, &d, &zero))
	require.True(t, math.IsInf(inf, 1) && math.IsNaN(nan))
	require.EqualValues(t, -1, at.Unix())
	require.EqualValues(t, math.MinInt64, d)
	require.True(t, zero.IsZero())
}
