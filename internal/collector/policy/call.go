package policy

import (
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/romanesco-broccoli/romanesco/internal/collector/pattern"
	"github.com/romanesco-broccoli/romanesco/internal/collector/script"
)

// call returns what a function makes of its arguments.
func (s *scope) call(x *script.Call, at script.Place) value {
	name, ok := x.F.(*script.Ident)
	if !ok {
		return s.callValue(s.eval(x.F), s.values(x.Args), at)
	}
	full := s.resolve(name.Name, s.module)
	if v := s.known(name.Name); v != nil {
		return s.callValue(v, s.values(x.Args), at)
	}
	if hooks := s.hooks[full]; hooks != nil {
		return s.callValue(failed(at, "the hook %s is not executed", name.Name), s.values(x.Args), at)
	}
	if f := s.functions[full]; f != nil {
		return s.run(f, s.values(x.Args), at)
	}
	if isNodeType(full) || len(x.Args) > 0 && isGiven(x.Args[0]) || full == "record" {
		return typedRecord(s.record(x.Args, at, at.At), full)
	}
	switch full {
	case "set", "table":
		t := s.braces(x.Args, at)
		if t, ok := t.(*table); ok {
			t.set = full == "set"
		}
		return t
	case "vector":
		return &vector{list: s.values(x.Args)}
	}
	args := s.values(x.Args)
	if builtin[full] == nil {
		u := failed(at, "the function %s() is not understood", name.Name)
		for _, a := range args {
			s.spoil(a, u.err)
		}
		return u
	}
	for _, a := range args {
		if u, bad := doubted(a); bad {
			s.unknownArgument(full, args, u)
			return u
		}
		if !s.spend(costOf(a), at) {
			return unknown{s.exhausted}
		}
	}
	if f := builtin[full]; f != nil {
		if v := f(s, args, at); v != nil {
			return v
		}
		return failed(at, "%s() with these arguments is not understood", name.Name)
	}
	return failed(at, "the function %s() is not understood", name.Name)
}

// unknownArgument is for what a function of Bro's would change.
func (s *scope) unknownArgument(full string, args []value, u unknown) {
	if full != "clear_table" && full != "listen" && acting[full] == "" {
		return
	}
	for _, a := range args {
		s.spoil(a, u.err)
	}
	if full != "clear_table" {
		s.fatal(u.err)
	}
}

// callValue calls what a variable has. What is not known may be any function.
func (s *scope) callValue(v value, args []value, at script.Place) value {
	if f, ok := v.(*function); ok {
		return s.run(f, args, at)
	}
	u, bad := doubted(v)
	if !bad {
		u = failed(at, "expected a function, found %s", describe(v))
	}
	s.poisonAll(u.err)
	for _, a := range args {
		s.spoil(a, u.err)
	}
	return u
}

// builtin are those functions of Bro's that are known. They return nil for arguments
// that they do not take.
var builtin = map[string]func(s *scope, args []value, at script.Place) value{
	"fmt":                         func(_ *scope, a []value, at script.Place) value { return format(a, at) },
	"cat":                         func(_ *scope, a []value, at script.Place) value { return concatenated(a, at) },
	"getenv":                      one(func(name string) value { return os.Getenv(name) }),
	"to_count":                    one(toCount),
	"to_int":                      one(toCount),
	"to_addr":                     one(toAddr),
	"to_port":                     toPort,
	"count_to_port":               toPort,
	"string_to_pattern":           toPattern,
	"merge_pattern":               merge,
	"copy":                        copied,
	"clear_table":                 clearTable,
	"to_lower":                    one(func(s string) value { return strings.ToLower(s) }),
	"to_upper":                    one(func(s string) value { return strings.ToUpper(s) }),
	"Cluster::is_enabled":         func(*scope, []value, script.Place) value { return false },
	"Cluster::local_node_type":    func(*scope, []value, script.Place) value { return symbol("Cluster::NONE") },
	"bro_has_ipv6":                func(*scope, []value, script.Place) value { return true },
	"reading_traces":              func(*scope, []value, script.Place) value { return false },
	"enable_communication":        func(*scope, []value, script.Place) value { return true },
	"listen":                      listenCall,
	"Remote::connect_peer":        connectPeer(remoteTable),
	"Communication::connect_peer": connectPeer(nodesTable),
}

func one(f func(string) value) func(*scope, []value, script.Place) value {
	return func(_ *scope, args []value, _ script.Place) value {
		if len(args) != 1 {
			return nil
		}
		v, ok := args[0].(string)
		if !ok {
			return nil
		}
		return f(v)
	}
}

func toCount(text string) value {
	n, err := strconv.ParseInt(strings.TrimSpace(text), 10, 64)
	if err != nil {
		return int64(0) // as Bro has it
	}
	return n
}

func toAddr(text string) value {
	a, err := netip.ParseAddr(strings.Trim(text, "[]"))
	if err != nil {
		return nil
	}
	return a.Unmap()
}

func toPort(_ *scope, args []value, _ script.Place) value {
	if len(args) == 1 {
		text, _ := args[0].(string)
		number, proto, _ := strings.Cut(text, "/")
		if n, err := strconv.ParseUint(number, 10, 32); err == nil {
			return port{n, proto}
		}
		return nil
	}
	if len(args) == 2 {
		if n, ok := args[0].(int64); ok && n >= 0 && args[1] == symbol("tcp") {
			return port{uint64(n), "tcp"}
		}
	}
	return nil
}

func toPattern(s *scope, args []value, at script.Place) value {
	if len(args) == 0 {
		return nil
	}
	text, ok := args[0].(string)
	if !ok || len(args) > 1 && args[1] != false {
		return nil
	}
	return s.pattern("/"+text+"/", at)
}

func merge(_ *scope, args []value, at script.Place) value {
	var all []*pattern.Pattern
	for _, a := range args {
		p, ok := a.(*pattern.Pattern)
		if !ok {
			return nil
		}
		all = append(all, p)
	}
	if len(all) == 0 {
		return nil
	}
	return either(at, all...)
}

// copied is a copy of a record or a vector; a table, and one within another value, is not
// understood. Other values do not change.
func copied(s *scope, args []value, at script.Place) value {
	if len(args) != 1 {
		return nil
	}
	switch v := args[0].(type) {
	case *table:
		return nil
	case *record:
		return s.copyOfRecord(v, at)
	case *vector:
		if slices.ContainsFunc(v.list, isContainer) {
			return nil
		}
		if !s.grow(len(v.list), at) {
			return unknown{s.exhausted}
		}
		return &vector{list: slices.Clone(v.list)}
	}
	return args[0]
}

func (s *scope) copyOfRecord(r *record, at script.Place) value {
	if !s.grow(len(r.fields), at) {
		return unknown{s.exhausted}
	}
	other := &record{fields: map[string]member{}, order: slices.Clone(r.order), at: at}
	for k, v := range r.fields {
		if isContainer(v.value) {
			return nil
		}
		other.fields[k] = v
	}
	return other
}

func clearTable(_ *scope, args []value, _ script.Place) value {
	if len(args) != 1 {
		return nil
	}
	if t, ok := args[0].(*table); ok {
		t.clear()
		return true
	}
	return nil
}

// format is fmt() for %s and %d.
func format(args []value, at script.Place) value {
	if len(args) == 0 {
		return nil
	}
	in, ok := args[0].(string)
	if !ok {
		return nil
	}
	var b strings.Builder
	rest := args[1:]
	for i := 0; i < len(in); i++ {
		if in[i] != '%' {
			b.WriteByte(in[i])
			continue
		}
		i++
		switch {
		case i < len(in) && in[i] == '%':
			b.WriteByte('%')
			continue
		case i >= len(in), in[i] != 's' && in[i] != 'd', len(rest) == 0:
			return nil
		}
		v, ok := text(rest[0])
		if in[i] == 'd' {
			v, ok = digits(rest[0])
		}
		if rest = rest[1:]; !ok {
			return nil
		}
		if b.WriteString(v); b.Len() > maxText {
			return failed(at, "a string of more than %d bytes", maxText)
		}
	}
	if len(rest) > 0 {
		return nil
	}
	return b.String()
}

// digits is what %d makes of a value.
func digits(v value) (string, bool) {
	switch v := v.(type) {
	case int64:
		return strconv.FormatInt(v, 10), true
	case port:
		return strconv.FormatUint(v.number, 10), true
	case bool:
		return map[bool]string{true: "1", false: "0"}[v], true
	}
	return "", false
}

func concatenated(args []value, at script.Place) value {
	var b strings.Builder
	for _, a := range args {
		v, ok := text(a)
		if !ok {
			return nil
		}
		if b.WriteString(v); b.Len() > maxText {
			return failed(at, "a string of more than %d bytes", maxText)
		}
	}
	return b.String()
}

// listenCall is listen(interface, port, ssl, ipv6, zone, retry); Bro 1 has the first
// three.
func listenCall(s *scope, args []value, at script.Place) value {
	if len(args) < 3 || len(args) > 6 {
		return nil
	}
	host, ok := args[0].(netip.Addr)
	p, isPort := args[1].(port)
	ssl, isBool := args[2].(bool)
	if !ok || !isPort || !isBool {
		return nil
	}
	number, err := portNumber(p, at)
	if err != nil {
		return unknown{err}
	}
	if len(args) > 4 {
		zone, ok := args[4].(string)
		if !ok {
			return nil
		}
		host = host.WithZone(zone)
	}
	if len(args) > 5 {
		if _, ok := args[5].(time.Duration); !ok {
			return nil
		}
	}
	pos := at.Pos()
	if s.grow(1, at) {
		s.listened = append(s.listened, listening{loaded: &pos, host: host, port: number, ssl: ssl})
	}
	return true
}

// connectPeer connects to a destination whatever its $connect says.
func connectPeer(table string) func(*scope, []value, script.Place) value {
	return func(s *scope, args []value, at script.Place) value {
		if len(args) != 1 {
			return nil
		}
		t, r := s.tableOf(table), (*record)(nil)
		if i := t.find(args); i != nil {
			r, _ = i.value.(*record)
		}
		if r == nil {
			return failed(at, "%s has no entry %s to connect to", table, describe(args[0]))
		}
		r.set("connect", member{cell{true, at}, at})
		return true
	}
}

// typedRecord has the record of a constructor know its type.
func typedRecord(v value, full string) value {
	r, ok := v.(*record)
	if ok && full != "record" {
		r.untyped = false
	}
	switch {
	case !ok:
	case full == "Remote::Destination":
		r.node = remoteTable
	case full == "Communication::Node":
		r.node = nodesTable
	}
	return v
}
