package policy

import (
	"fmt"
	"math"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/romanesco-broccoli/romanesco/internal/collector/pattern"
	"github.com/romanesco-broccoli/romanesco/internal/collector/script"
)

// A value is one of: bool, int64, float64, string, netip.Addr, netip.Prefix,
// time.Duration, *pattern.Pattern, or one of these.
type value any

type (
	port struct {
		number uint64
		proto  string
	}
	// symbol is a member of an enumeration.
	symbol string
	// table is a table, or a set: that has no values.
	table struct {
		order []*item
		items map[string]*item
		set   bool
		twice *item // a key that its first value has twice
		doubt error // why it is not known what is in it
		nets  bool  // keys are networks
		added int   // how many it has ever been given
	}
	item struct {
		keys []value
		cell
		seq  int // orders the items of all tables
		gone bool
		key  script.Place
	}
	record struct {
		fields map[string]member
		order  []string
		at     script.Place
		end    script.Place
		doubt  error  // why it is not known what it has
		node   string // the table whose record it is
		// untyped says that it is of no declared type: what it is assigned to gets a copy,
		// or not. That is the twin.
		untyped bool
		twin    *record
	}
	member struct {
		cell
		name script.Place // where the field is named
	}
	vector struct {
		list  []value
		doubt error
	}
	// unknown is what cannot be known here, with the reason.
	unknown struct{ err error }
)

// cell is a value and where it was given.
type cell struct {
	value
	at script.Place
}

func newTable() *table { return &table{items: map[string]*item{}} }

func (t *table) find(keys []value) *item { return t.items[keyOf(keys)] }

// put returns the item of keys, which is new if there is none.
func (t *table) put(keys []value, key script.Place, seq int) (i *item, isNew bool) {
	name := keyOf(keys)
	if i := t.items[name]; i != nil {
		return i, false
	}
	i = &item{keys: keys, key: key, seq: seq}
	if name != "" {
		t.items[name] = i
	}
	t.unsure(keys, key)
	t.order = append(t.order, i)
	t.added++
	return i, true
}

// unsure has a table be unknown that has a key which cannot be compared.
func (t *table) unsure(keys []value, key script.Place) {
	for _, k := range keys {
		u, bad := doubted(k)
		switch {
		case !bad && keyOf([]value{k}) == "":
			u = failed(key, "%s as a key is not understood", describe(k))
		case !bad:
			_, net := k.(netip.Prefix)
			t.nets = t.nets || net
			continue
		}
		if t.doubt == nil {
			t.doubt = u.err
		}
	}
}

// get returns the item that keys mean: of networks that of an address in it.
func (t *table) get(keys []value, at script.Place) (*item, error) {
	if t.doubt != nil {
		return nil, t.doubt
	}
	if i := t.find(keys); i != nil {
		return i, nil
	}
	if keyOf(keys) == "" {
		return nil, at.Fail("this as a key is not understood")
	}
	if !t.nets {
		return nil, nil
	}
	a, ok := keys[0].(netip.Addr)
	if !ok || len(keys) > 1 {
		return nil, at.Fail("a network among several keys, or in another one, is not understood")
	}
	var best *item
	bits := -1
	for _, i := range t.order {
		if net, ok := i.keys[0].(netip.Prefix); ok && !i.gone && net.Contains(a) && net.Bits() > bits {
			best, bits = i, net.Bits()
		}
	}
	return best, nil
}

// present returns the items that have not been deleted.
func (t *table) present() (all []*item) {
	for _, i := range t.order {
		if !i.gone {
			all = append(all, i)
		}
	}
	return all
}

func (t *table) remove(keys []value) {
	name := keyOf(keys)
	if i := t.items[name]; i != nil {
		i.gone = true
		delete(t.items, name)
	}
}

func (t *table) clear() {
	for _, i := range t.order {
		i.gone = true
	}
	t.order, t.items = nil, map[string]*item{}
}

// keyOf returns what equal keys have in common, empty for those that are not compared:
// what is not known, and what has other values in it.
func keyOf(keys []value) string {
	var b []byte
	for _, k := range keys {
		switch k := k.(type) {
		case string:
			b = strconv.AppendQuote(append(b, 's'), k)
		case netip.Addr:
			b = k.AppendTo(append(b, 'a'))
		case int64:
			b = strconv.AppendInt(append(b, 'i'), k, 10)
		case bool, float64, netip.Prefix, time.Duration, port, symbol:
			b = fmt.Appendf(b, "%T%v", k, k)
		default:
			return ""
		}
		b = append(b, ',')
	}
	return string(b)
}

// describe returns how messages call a value.
func describe(v value) string {
	switch v := v.(type) {
	case bool:
		return map[bool]string{true: "T", false: "F"}[v]
	case int64:
		return "the number " + strconv.FormatInt(v, 10)
	case float64:
		return fmt.Sprintf("the fraction %v", v)
	case string:
		return fmt.Sprintf("the string %.60q", v)
	case netip.Addr:
		return fmt.Sprintf("the address %v", v)
	case netip.Prefix:
		return fmt.Sprintf("the network %v", v)
	case port:
		return fmt.Sprintf("the port %v", v)
	case time.Duration:
		return fmt.Sprintf("the interval %v", v)
	case *pattern.Pattern:
		return fmt.Sprintf("the pattern %.60s", v)
	case symbol:
		return string(v)
	case *table:
		if v.set {
			return "a set"
		}
		return "a table"
	case *record:
		return "a record"
	case *vector:
		return "a vector"
	case *function:
		return v.String()
	case unknown:
		return "a value that is not known here"
	}
	return "nothing"
}

func (p port) String() string { return fmt.Sprintf("%d/%s", p.number, p.proto) }

// text returns what Bro prints of a value, for fmt().
func text(v value) (string, bool) {
	switch v := v.(type) {
	case float64:
		return fraction(v), true
	case bool, netip.Addr, netip.Prefix, port, symbol, string, int64:
		if b, ok := v.(bool); ok {
			return describe(b), true
		}
		return fmt.Sprint(v), true
	}
	return "", false
}

// fraction is a number as Bro prints it: with six digits behind the point at most.
func fraction(f float64) string {
	if math.Abs(f) > math.MaxInt32 {
		return strconv.FormatFloat(f, 'e', 6, 64)
	}
	if f == math.Trunc(f) {
		return strconv.FormatFloat(f, 'f', 1, 64)
	}
	return strings.TrimSuffix(strings.TrimRight(strconv.FormatFloat(f, 'f', 6, 64), "0"), ".")
}

// empty is the value of a variable that has been given none: what has other values in it
// is there, and empty. word is the first of its type.
func empty(word string, at script.Place) value {
	switch word {
	case "table", "set":
		return newTable()
	case "vector":
		return &vector{}
	case "", "addr", "any", "bool", "count", "counter", "double", "event", "file", "function", "hook", "int", "interval",
		"list", "net", "opaque", "pattern", "port", "string", "subnet", "time", "timer", "enum":
		return nil
	}
	return &record{fields: map[string]member{}, at: at, end: at} // or an enumeration
}
